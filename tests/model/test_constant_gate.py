"""A constant gate: every period up to max_skip + 1 is kept exactly, by the server's table and by every unroll."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from skiprnn.constant_gate import period_of, set_constant_gate
from skiprnn_export import skips
from support.networks import small_network
from support.skip_layers import needs_kernel

MAX_SKIP = 1023
BACKENDS = ["reference", "torch", pytest.param("kernel", marks=needs_kernel)]


def delta_u(period: int, threshold: float, max_skip: int = MAX_SKIP) -> torch.Tensor:
    """Δũ of the gate for three states."""
    gate = nn.Linear(8, 1)
    set_constant_gate(gate, period, threshold=threshold, max_skip=max_skip)
    with torch.no_grad():
        return torch.sigmoid(gate(torch.randn(3, 8))).squeeze(1)


@given(st.integers(1, MAX_SKIP + 1), st.floats(0.5, 1, width=32))
def test_every_update_skips_one_sample_less_than_the_period(period: int, threshold: float) -> None:
    skipped = skips(delta_u(period, threshold).numpy(), threshold=threshold, max_skip=MAX_SKIP)
    assert skipped.tolist() == [period - 1] * 3


@pytest.mark.parametrize("period", [5_000, 16_384])
def test_the_longest_periods_are_exact_too(period: int) -> None:
    skipped = skips(delta_u(period, 0.5, 16_383).numpy(), threshold=0.5, max_skip=16_383)
    assert set(skipped.tolist()) == {period - 1}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("period", [1, 2, 3, 10, 257])
def test_a_network_updates_at_every_nth_sample(period: int, cell: str, backend: str) -> None:
    network = small_network(cell=cell)
    network.update_every(period)
    network.rnn.backend = backend  # type: ignore[assignment]
    gates = network(torch.randn(2, 600, 3)).gates
    assert torch.equal(gates, (torch.arange(600) % period == 0).float().expand(2, 600))
    assert network.config.period == period


@given(st.floats(1e-4, 1))
def test_no_other_period_is_nearer_to_a_rate(rate: float) -> None:
    period = period_of(rate)
    others = [n for n in (period - 1, period + 1) if n > 0]
    assert all(abs(1 / period - rate) <= abs(1 / other - rate) for other in others)


@pytest.mark.parametrize("period", [0, MAX_SKIP + 2])
def test_a_period_that_the_cap_does_not_allow_is_an_error(period: int) -> None:
    network = small_network()
    with pytest.raises(
        ValueError, match=rf"period: expected 1 to 1024 samples \(max_skip \+ 1\), got {period}"
    ):
        network.update_every(period)
    assert network.config.period is None
