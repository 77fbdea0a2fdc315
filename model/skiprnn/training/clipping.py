"""Clip gradients: at a fixed global norm, as the paper does, and at a multiple of what has been usual.

A gate learns through the straight-through estimator, whose gradient is now and then many times larger than
usual. Late in the training even that passes a limit of 1, and Adam, which divides by what was usual, takes it as many
steps at once: the gate jumps, and may collapse. A limit relative to past norms stops that, after AutoClip (Seetharaman
et al., MLSP 2020), here with their moving geometric mean in place of a percentile, and for the gate apart from the
rest, whose norm would hide it.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

_MEMORY = 0.99  # of the moving mean, a step
_LEAST = 1e-8  # of a norm, so that one gradient of nothing does not silence all that follow


class GradientClip(nn.Module):
    """Limits the norms of gradients. A module, for what is usual to travel in checkpoints.

    Args:
        limit: largest norm of all gradients together.
        ratio: largest norm of a group as a multiple of the group's usual one; None for the limit alone.
        groups: how many groups there are.
    """

    usual: Tensor  # [groups]

    def __init__(self, limit: float, ratio: float | None = None, groups: int = 1) -> None:
        super().__init__()
        self._limit, self._ratio = limit, ratio
        self.register_buffer("usual", torch.full((groups,), torch.inf))

    def forward(self, groups: Sequence[Iterable[nn.Parameter]]) -> None:
        """Scale the gradients down, in place, where a norm is above what is allowed; drop those that are not finite."""
        weights = [weight for group in groups for weight in group]
        if not torch.isfinite(nn.utils.clip_grad_norm_(weights, self._limit)):
            for weight in weights:
                weight.grad = None  # through a long window it may overflow: that step is left out
            return
        if self._ratio is None:
            return
        for index, group in enumerate(groups):
            self._clip(index, group, self._ratio * float(self.usual[index]))

    def _clip(self, index: int, group: Iterable[nn.Parameter], limit: float) -> None:
        norm = nn.utils.clip_grad_norm_(group, limit).clamp(_LEAST, max(_LEAST, limit))
        usual = self.usual[index]
        self.usual[index] = norm if torch.isinf(usual) else usual**_MEMORY * norm ** (1 - _MEMORY)
