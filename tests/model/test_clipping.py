"""Gradients are clipped at a fixed norm, or at a multiple of what has been usual."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skiprnn.clipping import GradientClip

NORMS = st.floats(0.1, 1e3)  # torch divides by the norm + 1e-6


def clipped(clip: GradientClip, norm: float) -> float:
    """The norm that a gradient of this norm is left with."""
    weights = nn.ParameterList([nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2))])
    for weight in weights:
        weight.grad = torch.full_like(weight, norm / math.sqrt(7))
    clip(weights)
    return math.sqrt(sum(float(weight.grad.square().sum()) for weight in weights if weight.grad is not None))


@given(NORMS, NORMS)
def test_a_fixed_limit_is_torchs(norm: float, limit: float) -> None:
    assert clipped(GradientClip(limit), norm) == pytest.approx(min(norm, limit), rel=1e-4)


@given(usual=NORMS, spike=st.floats(10, 1e6))
def test_a_spike_is_left_with_a_multiple_of_what_is_usual(usual: float, spike: float) -> None:
    clip = GradientClip(math.inf, ratio=2)
    for _ in range(5):
        assert clipped(clip, usual) == pytest.approx(usual, rel=1e-4)
    assert clipped(clip, spike * usual) == pytest.approx(2 * usual, rel=1e-3)
    assert clipped(clip, usual) == pytest.approx(usual, rel=1e-4)


def test_a_spike_hardly_raises_what_is_usual_and_a_lasting_change_does() -> None:
    clip = GradientClip(math.inf, ratio=2)
    for _ in range(5):
        clipped(clip, 1.0)
    clipped(clip, 1e6)
    assert float(clip.usual) < 1.01
    for _ in range(500):
        last = clipped(clip, 8.0)
    assert last == pytest.approx(8.0, rel=1e-4)


@given(st.floats(3, 1e6))
def test_the_fixed_limit_holds_beside_the_ratio(norm: float) -> None:
    clip = GradientClip(1.0, ratio=2)
    assert clipped(clip, norm) == pytest.approx(1, rel=1e-4)
    assert clipped(clip, norm) == pytest.approx(1, rel=1e-4)


def test_gradients_of_nothing_do_not_silence_those_that_follow() -> None:
    clip = GradientClip(1.0, ratio=2)
    for _ in range(3):
        assert clipped(clip, 0.0) == 0
    for _ in range(3000):
        last = clipped(clip, 0.5)
    assert last == pytest.approx(0.5, rel=1e-4)
