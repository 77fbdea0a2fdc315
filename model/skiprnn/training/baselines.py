"""Fixed schedules, uniform or random: what the learned gate is compared with (section 4.1, "random skip").

A baseline is the same network, trained and evaluated with forced gates; its own gate learns nothing, and becomes a
constant one when training ends (`skiprnn.constant_gate`).
"""

import torch
from torch import Tensor

from skiprnn.constant_gate import period_of
from skiprnn.recipe import Schedule


def scheduled_gates(
    schedule: Schedule, rate: float, batch_size: int, samples: int, generator: torch.Generator | None = None
) -> Tensor:
    """Gates [B, T] of 0 and 1 with update rate `rate`; the first sample always updates.

    Args:
        schedule: "uniform" updates at every n-th sample, the same in every row, for the whole n whose 1/n is nearest to
            `rate`; "random" updates at every sample with probability `rate`.
        rate: in (0, 1].
        generator: of the random schedule; None takes torch's own.
    """
    if schedule == "uniform":
        due = torch.arange(samples) % period_of(rate) == 0
        return due.float().expand(batch_size, samples)
    gates = torch.bernoulli(torch.full((batch_size, samples), rate), generator=generator)
    gates[:, 0] = 1
    return gates
