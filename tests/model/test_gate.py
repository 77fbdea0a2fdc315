"""The gate: ties, float32 accumulation, the cap, and the straight-through gradient."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from skiprnn import SkipGRU, binarize
from skiprnn.gate import GateState, accumulate, advance, decide, first_gate

float32 = torch.float32


def skipped_after(delta_u: float, *, threshold: float = 0.5, max_skip: int = 1023) -> int:
    """How many samples a gate skips after an update that gave this Δũ."""
    delta = torch.tensor([delta_u], dtype=float32)
    state = GateState(delta, torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    for skipped in range(max_skip + 1):
        u, u_tilde = decide(state, threshold=threshold, max_skip=max_skip)
        if u.item() == 1:
            return skipped
        state = advance(state, u, u_tilde, delta)
    raise AssertionError("the cap did not open the gate")


def test_a_tie_at_exactly_one_half_updates() -> None:
    assert binarize(torch.tensor([0.5])).item() == 1
    assert torch.round(torch.tensor(0.5)).item() == 0  # which is why binarize is not round


def test_binarize_passes_the_gradient_straight_through() -> None:
    u_tilde = torch.tensor([0.1, 0.5, 0.9], requires_grad=True)
    weights = torch.tensor([2.0, 3.0, 5.0])
    (binarize(u_tilde) * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(u_tilde.grad, weights)  # type: ignore[arg-type]


def test_the_first_sample_always_updates() -> None:
    u, u_tilde = decide(first_gate(3, torch.zeros(1)), threshold=1.0, max_skip=1)
    assert u.tolist() == u_tilde.tolist() == [1, 1, 1]


def test_accumulation_in_float32_is_not_the_closed_form() -> None:
    assert math.ceil(0.5 / 1e-5) - 1 == 49_999
    assert skipped_after(1e-5, max_skip=60_000) == 49_969 - 1


def test_a_probability_too_small_to_add_up_ends_at_the_cap() -> None:
    stalled = float(2.0**-26)
    assert skipped_after(stalled, max_skip=7) == 7
    assert accumulate(torch.tensor([stalled]), torch.tensor([0.25])).item() == 0.25


def test_a_zero_probability_updates_again_after_the_cap() -> None:
    assert skipped_after(0.0, max_skip=5) == 5


@given(st.floats(0, 1, width=32))
def test_the_clamp_never_binds_at_one_half(delta_u: float) -> None:
    delta, cum = torch.tensor([delta_u], dtype=float32), torch.zeros(1)
    for _ in range(50):
        if cum.item() >= 0.5:
            break
        assert torch.equal(accumulate(delta, cum), cum + delta)
        cum = accumulate(delta, cum)


@given(st.floats(2**-6, 1, width=32), st.floats(0.5, 1), st.floats(0.5, 1))
def test_a_higher_threshold_never_updates_sooner(delta_u: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert skipped_after(delta_u, threshold=low) <= skipped_after(delta_u, threshold=high)


def test_threshold_one_is_reached_through_the_clamp() -> None:
    assert skipped_after(0.3, threshold=1.0) == 3


def reference_gates(candidates: Tensor) -> tuple[Tensor, Tensor]:
    """The recursion with `.detach()` in place of the autograd.Function. candidates [T] → gates [T], last Δũ."""
    delta, cum, gates = torch.ones_like(candidates[0]), torch.zeros_like(candidates[0]), []
    for candidate in candidates:
        u_tilde = cum + torch.minimum(delta, 1 - cum)
        u = u_tilde + ((u_tilde >= 0.5).to(u_tilde.dtype) - u_tilde).detach()
        delta, cum = u * candidate + (1 - u) * delta, (1 - u) * u_tilde
        gates.append(u)
    return torch.stack(gates), delta


def own_gates(candidates: Tensor) -> tuple[Tensor, Tensor]:
    state, gates = first_gate(1, candidates), []
    for candidate in candidates:
        u, u_tilde = decide(state, threshold=0.5, max_skip=1023)
        state = advance(state, u, u_tilde, candidate)
        gates.append(u)
    return torch.cat(gates), state.delta_u[0]


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=30), st.integers(0, 2**31))
def test_gradients_flow_through_both_probabilities_as_in_the_detach_form(
    values: list[float], seed: int
) -> None:
    weights = torch.randn(len(values) + 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    gradients = []
    for unroll in (own_gates, reference_gates):
        candidates = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        gates, delta = unroll(candidates)
        (gates @ weights[:-1] + delta * weights[-1]).backward()  # type: ignore[no-untyped-call]
        gradients.append((gates.detach(), candidates.grad))
    assert torch.equal(gradients[0][0], gradients[1][0])
    torch.testing.assert_close(gradients[0][1], gradients[1][1], atol=1e-12, rtol=1e-12)


def test_the_gate_learns_from_a_sample_that_it_skipped() -> None:
    """A branch on u in training would leave no gradient here (the collapse of several ports)."""
    torch.manual_seed(0)
    network = SkipGRU(1, 4)
    with torch.no_grad():
        network.gate.weight.zero_()
        network.gate.bias.fill_(-1.0)  # Δũ = 0.27: updates at 1 in 2
    x = torch.randn(1, 2, 1, requires_grad=True)
    _, _, gates = network(x)
    assert gates.tolist() == [[1, 0]]
    gates[0, 1].backward()
    assert network.gate.bias.grad is not None
    assert network.gate.bias.grad.item() != 0
