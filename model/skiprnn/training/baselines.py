"""Fixed schedules, uniform or random: what the learned gate is compared with (section 4.1, "random skip").

A baseline is the same network, trained and evaluated with forced gates; its own gate learns nothing.
"""

import torch
from torch import Tensor

from skiprnn.recipe import Schedule


def scheduled_gates(
    schedule: Schedule, rate: float, batch_size: int, samples: int, generator: torch.Generator | None = None
) -> Tensor:
    """Gates [B, T] of 0 and 1 with update rate `rate`; the first sample always updates.

    Args:
        schedule: "uniform" updates every 1/rate samples (rounded to whole ones), at the same in every row; "random"
            updates at every sample with probability `rate`.
        rate: in (0, 1].
        generator: of the random schedule; None takes torch's own.
    """
    if schedule == "uniform":
        due = (
            torch.arange(-1, samples, dtype=torch.float64) * rate
        ).floor()  # floor(−rate) = −1: the first is due
        return due.diff().clamp(max=1).float().expand(batch_size, samples)
    gates = torch.bernoulli(torch.full((batch_size, samples), rate), generator=generator)
    gates[:, 0] = 1
    return gates
