"""Clip gradients: at a fixed norm, as the paper does, or at a multiple of what has been usual.

A gate learns through the straight-through estimator, whose gradient is now and then a thousand times larger than
usual. Late in the training even that passes a limit of 1, and Adam, which divides by what was usual, takes it as many
steps at once: the gate jumps, and may collapse. A limit relative to the past norms stops that, after AutoClip
(Seetharaman et al., MLSP 2020), here with their moving geometric mean in place of a percentile.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_MEMORY = 0.99  # of the moving mean, a step
_LEAST = 1e-8  # of a norm, so that one gradient of nothing does not silence all that follow


class GradientClip(nn.Module):
    """Limits the global norm of gradients. A module, for what is usual to travel in checkpoints.

    Args:
        limit: largest norm.
        ratio: largest norm as a multiple of the usual one; None for the limit alone.
    """

    usual: Tensor

    def __init__(self, limit: float, ratio: float | None = None) -> None:
        super().__init__()
        self._limit, self._ratio = limit, ratio
        self.register_buffer("usual", torch.tensor(torch.inf))

    def forward(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scale the gradients down, in place, where their norm is above what is allowed."""
        if self._ratio is None:
            nn.utils.clip_grad_norm_(parameters, self._limit)
            return
        limit = min(self._limit, self._ratio * float(self.usual))
        norm = nn.utils.clip_grad_norm_(parameters, limit).clamp(_LEAST, max(_LEAST, limit))
        first = torch.isinf(self.usual)
        self.usual = torch.where(first, norm, self.usual**_MEMORY * norm ** (1 - _MEMORY))
