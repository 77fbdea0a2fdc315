"""Gradients are clipped at a fixed norm, or at a multiple of what has been usual."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skiprnn.training.clipping import GradientClip

NORMS = st.floats(0.1, 1e3)  # torch divides by the norm + 1e-6


def clipped(clip: GradientClip, *norms: float) -> "list[float] | float":
    """The norms that groups of gradients of these norms are left with; of one group its own."""
    groups = [[nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2, 2))] for _ in norms]
    for group, norm in zip(groups, norms, strict=True):
        for weight in group:
            weight.grad = torch.full_like(weight, norm / math.sqrt(7))
    clip(groups)
    left = [
        math.sqrt(sum(float(w.grad.square().sum()) for w in group if w.grad is not None)) for group in groups
    ]
    return left if len(left) > 1 else left[0]


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


def test_the_fixed_limit_is_of_all_groups_together() -> None:
    assert clipped(GradientClip(1.0, groups=2), 3.0, 4.0) == pytest.approx([0.6, 0.8], rel=1e-4)


def test_a_small_groups_spike_is_seen_beside_a_large_group() -> None:
    clip = GradientClip(math.inf, ratio=2, groups=2)
    for _ in range(5):
        clipped(clip, 100.0, 0.1)
    assert clipped(clip, 100.0, 50.0) == pytest.approx([100, 0.2], rel=1e-3)


def test_gradients_of_nothing_do_not_silence_those_that_follow() -> None:
    clip = GradientClip(1.0, ratio=2)
    for _ in range(3):
        assert clipped(clip, 0.0) == 0
    for _ in range(3000):
        last = clipped(clip, 0.5)
    assert last == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_dropped(norm: float) -> None:
    """The weights stay as they are, and what is usual too."""
    clip = GradientClip(1.0, ratio=2)
    clipped(clip, 0.5)
    usual = clip.usual.clone()
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.tensor([norm, 1.0, 1.0])
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    clip([[weight]])
    optimizer.step()
    assert torch.equal(weight, torch.ones(3))
    assert torch.equal(clip.usual, usual)
