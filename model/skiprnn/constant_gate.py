"""A constant gate, whatever the input: the network updates at every n-th sample, n its period.

The learned gate's recursion stays as it is. Gate weights of 0 leave Δũ = σ(bias), and the bias is chosen so that every
update skips n − 1 samples. So a uniform schedule is trained, exported and served by the code of the learned gate.
"""

import math

import torch
from torch import nn

from skiprnn.gate import accumulate

_TRIED = 4096  # values of Δũ around the exact quotient
_DRIFT = 2e-3  # relative: what the roundings of 16,383 additions add up to, and more
_SATURATED = 30.0  # a bias at which σ is 1 in float32


def period_of(rate: float) -> int:
    """The whole period n whose update rate 1/n is nearest to `rate` in (0, 1]; of two equally near, the shorter."""
    shorter = math.floor(1 / rate)
    return min((shorter, shorter + 1), key=lambda n: abs(1 / n - rate))


def set_constant_gate(gate: nn.Linear, period: int, *, threshold: float, max_skip: int) -> None:
    """Make a gate update at every `period`-th sample, in place.

    Raises:
        ValueError: period is not in [1, max_skip + 1].
    """
    check_period(period, max_skip)
    with torch.no_grad():
        gate.weight.zero_()
        gate.bias.fill_(_bias(period, threshold))


def check_period(period: int, max_skip: int) -> None:
    """Raise ValueError where a gate of that cap cannot wait so long."""
    if not 1 <= period <= max_skip + 1:
        raise ValueError(f"period: expected 1 to {max_skip + 1} samples (max_skip + 1), got {period!r}")


def _bias(period: int, threshold: float) -> float:
    """The middle one of the biases for which the float32 recursion skips period − 1 samples."""
    lowest = threshold / period * (1 - _DRIFT)
    highest = min(1.0, threshold / (period - 1) * (1 + _DRIFT)) if period > 1 else 1.0
    tried = torch.linspace(lowest, highest, _TRIED, dtype=torch.float64)
    biases = torch.logit(tried).clamp(max=_SATURATED).float()
    fitting = biases[_skips(torch.sigmoid(biases), threshold, at_most=period) == period - 1]
    return float(fitting[len(fitting) // 2])


def _skips(delta_u: torch.Tensor, threshold: float, *, at_most: int) -> torch.Tensor:
    """How many samples each Δũ [N] skips, counted up to `at_most`: the recursion of `skiprnn.gate`."""
    accumulated, skipped = delta_u, torch.zeros_like(delta_u, dtype=torch.int64)
    for _ in range(at_most):
        skipped += accumulated < threshold
        accumulated = accumulate(delta_u, accumulated)
    return skipped
