"""Hold the update rate at its target during the training: an augmented Lagrangian of the relative error.

With e = (r − μ)/μ the loss gets w · e² + m · e: w is `rate_penalty`, and the multiplier m grows by `rate_dual_step` · e
a step. For a gate that updates rarely, e moves with the logarithm of Δũ whatever μ is, so one w serves all rates. While
μ falls, e is divided by the μ of the end.

A batch has few updates at a small rate, and its r is noisy. The gradient of w · e² would then punish the noise, and
with it a gate that updates more in one sequence than in another. So the factor of the gradient, 2 · w · e + m, takes e
averaged over the last batches.

The gradient moves the gate less and less while the learning rate falls. So in the last part of the training the gate's
bias is moved against e directly as well.
"""

import torch
from torch import Tensor, nn

from skiprnn.recipe import Recipe

_MEMORY = 0.9  # of the average: about ten batches
_LARGEST_MULTIPLIER = 10  # times the penalty: five times its pull at an error of 1
_TRIM = 0.004  # of the bias, a step
_TRIMMED_FROM = 0.6  # share of the training


class RateController(nn.Module):
    """The multiplier and the averaged relative error; buffers, so that a checkpoint holds them."""

    multiplier: Tensor
    error: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._target = recipe.target_rate or 1.0
        self._penalty, self._dual_step = recipe.rate_penalty, recipe.rate_dual_step
        self._trimmed_from = max(_TRIMMED_FROM, recipe.ramp_share)
        self.register_buffer("multiplier", torch.zeros(()))
        self.register_buffer("error", torch.zeros(()))

    def forward(self, rate: Tensor, target: float, measured: Tensor) -> Tensor:
        """The cost of a batch's update rate, a scalar with the gradient of w · e² + m · e; moves the multiplier.

        Args:
            rate: of the whole batch, a scalar that carries gradient.
            target: μ at this point of the training.
            measured: r, a scalar: the rate that is to be μ, without the beginnings of windows.
        """
        self._observe((measured.detach() - target) / self._target)
        return (2 * self._penalty * self.error + self.multiplier) * rate / self._target

    def _observe(self, error: Tensor) -> None:
        """An error above 1 counts as 1, and the multiplier is bounded: what piles up while the gate lags behind a
        falling target is soon undone.
        """
        bounded, limit = error.clamp(-1, 1), _LARGEST_MULTIPLIER * self._penalty
        self.error.lerp_(bounded, 1 - _MEMORY)
        self.multiplier.add_(self._dual_step * bounded).clamp_(-limit, limit)

    @torch.no_grad()
    def trim(self, bias: Tensor, progress: float) -> None:
        """Move the gate's bias, in place, against the averaged error.

        Args:
            progress: share of the training that is over.
        """
        last_part = max(0.0, progress - self._trimmed_from) / (1 - self._trimmed_from or 1.0)
        bias.sub_(_TRIM * last_part * self.error)
