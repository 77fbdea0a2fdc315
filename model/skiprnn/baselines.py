"""Reading by a clock or by chance: what the learned gate is measured against (section 4.1, "random skip").

A baseline is the same network, trained and judged with forced gates; its own gate learns nothing.
"""

import torch
from torch import Tensor

from skiprnn.recipe import Cadence


def cadence_gates(
    cadence: Cadence, rate: float, batch_size: int, samples: int, generator: torch.Generator | None = None
) -> Tensor:
    """Gates [B, T] of 0 and 1 that read a share `rate` of the samples, and always the first.

    Args:
        cadence: "uniform" reads sample t where a clock of `rate` ticks a sample ticks, the same in every row; "random"
            tosses a coin for every sample.
        generator: of the coins; None takes torch's own.
    """
    if cadence == "uniform":
        ticks = (torch.arange(-1, samples, dtype=torch.float64) * rate).floor()
        return (
            ticks.diff().clamp(max=1).float().expand(batch_size, samples)
        )  # floor(−rate) = −1: the first one ticks
    gates = torch.bernoulli(torch.full((batch_size, samples), rate), generator=generator)
    gates[:, 0] = 1
    return gates
