"""Every back end of the unroll against the reference: outputs, final state and every gradient, in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skiprnn import GateState, SkipGRU, SkipLSTM, SkipState
from skiprnn.unroll import Backend
from skiprnn.unroll.build import library
from support.skip_layers import SkipLayer, everything, gradients, make, needs_kernel, sequences

CELLS: list[tuple[Backend, str]] = [
    ("kernel", "lstm"),
    ("kernel", "gru"),
    ("torch", "lstm"),
    ("torch", "gru"),
    ("torch", "gru_reset_before"),
]
every_cell = pytest.mark.parametrize(
    ("backend", "cell"),
    [pytest.param(*each, marks=needs_kernel if each[0] == "kernel" else ()) for each in CELLS],
)
every_backend = pytest.mark.parametrize(
    "backend", [pytest.param("kernel", marks=needs_kernel), pytest.param("torch")]
)


def both(backend: Backend) -> tuple[Backend, Backend]:
    return backend, "reference"


def assert_equal(
    backend: Backend, layer: SkipLayer, x: Tensor, state: object = None, **options: Tensor
) -> Tensor:
    """Results and gradients are those of the reference. Returns the gates."""
    found = []
    for each in both(backend):
        layer.backend = each
        results = everything(*layer(x, state, **options))
        grads = gradients(results, [x, *layer.parameters()])
        found.append([*(r.detach() for r in results), *grads])
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-10, rtol=1e-10)
    return found[0][1]


@every_cell
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("gate_bias", [20.0, -1.0, -4.0])
def test_it_equals_the_reference_at_every_rate(
    backend: Backend, cell: str, layers: int, gate_bias: float
) -> None:
    layer = make(cell, 13, gate_bias=gate_bias, num_layers=layers)
    gates = assert_equal(backend, layer, sequences(7, 60, 3))
    assert gates.mean() == 1 if gate_bias > 0 else 0 < gates.mean() < 0.8


@settings(max_examples=60)
@given(
    which=st.sampled_from(CELLS if library().functions else CELLS[2:]),
    hidden=st.integers(1, 40),
    layers=st.integers(1, 3),
    features=st.integers(1, 50),
    batch=st.integers(1, 100),
    time=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_it_equals_the_reference_at_every_size(
    which: tuple[Backend, str], hidden: int, layers: int, features: int, batch: int, time: int, seed: int
) -> None:
    backend, cell = which
    layer = make(cell, hidden, features, num_layers=layers)
    assert_equal(backend, layer, sequences(batch, time, features, seed=seed))


@every_cell
def test_an_empty_batch_is_unrolled_too(backend: Backend, cell: str) -> None:
    assert assert_equal(backend, make(cell, num_layers=2), sequences(0, 5, 3)).shape == (0, 5)


@every_cell
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("schedule", [False, True])
def test_it_equals_the_reference_with_lengths(
    backend: Backend, cell: str, layers: int, schedule: bool
) -> None:
    layer, lengths = make(cell, num_layers=layers), torch.tensor([20, 1, 7, 13, 19])
    options = {"forced_gates": (torch.rand(5, 20) < 0.4).double()} if schedule else {}
    gates = assert_equal(backend, layer, sequences(5, 20, 3), lengths=lengths, **options)
    assert gates[1, 1:].sum() == gates[2, 7:].sum() == 0


@every_cell
def test_it_equals_the_reference_with_a_fixed_schedule(backend: Backend, cell: str) -> None:
    forced = (torch.rand(5, 20) < 0.4).double()
    gates = assert_equal(backend, make(cell), sequences(5, 20, 3), forced_gates=forced)
    assert torch.equal(gates, forced)


@every_cell
def test_it_equals_the_reference_with_a_cap_and_another_threshold(backend: Backend, cell: str) -> None:
    x = sequences(5, 40, 3)
    capped = assert_equal(backend, make(cell, gate_bias=-6.0, max_skip=5), x)
    assert capped.sum(1).tolist() == [7] * 5
    assert_equal(backend, make(cell, threshold=0.9), x)


@every_cell
@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_flow_from_a_second_call_into_the_first(backend: Backend, cell: str, layers: int) -> None:
    layer, x = make(cell, num_layers=layers), sequences(3, 24, 3)
    found = []
    for each in both(backend):
        layer.backend = each
        first, state, _ = layer(x[:, :11])
        results = [first, *everything(*layer(x[:, 11:], state))]
        found.append(gradients(results, [x, *layer.parameters()]))
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-10, rtol=1e-10)


@every_cell
def test_gradients_reach_the_state_that_a_call_starts_from(backend: Backend, cell: str) -> None:
    """The first gate of all has Δũ = 1 − cum: torch.minimum gives either half of the gradient."""
    layer, x = make(cell), sequences(3, 9, 3)
    start = [sequences(1, 3, 8), sequences(1, 3, 8), torch.ones(3).double(), torch.zeros(3).double()]
    h, c, delta_u, cum = (tensor.detach().requires_grad_() for tensor in start)
    used = [h, *([c] if cell == "lstm" else []), delta_u, cum]
    state = SkipState(h, c if cell == "lstm" else None, GateState(delta_u, cum, torch.zeros(3).long()))
    found = []
    for each in both(backend):
        layer.backend = each
        found.append(gradients(everything(*layer(x, state)), used))
    for ours, reference in zip(*found, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-10, rtol=1e-10)
    assert found[0][-2].abs().min() > 0


@every_cell
def test_only_some_results_may_have_a_gradient(backend: Backend, cell: str) -> None:
    layer, x = make(cell), sequences(3, 9, 3)
    for pick in range(4):
        found = []
        for each in both(backend):
            layer.backend = each
            found.append(gradients(everything(*layer(x))[pick : pick + 1], [x, *layer.parameters()]))
        for ours, reference in zip(*found, strict=True):
            torch.testing.assert_close(ours, reference, atol=1e-10, rtol=1e-10)


@every_cell
def test_a_sample_that_is_skipped_is_not_computed(backend: Backend, cell: str) -> None:
    """NaN in skipped samples does no harm: evaluation computes what is due and nothing else."""
    layer, x = make(cell, num_layers=2).eval(), sequences(6, 40, 3).detach()
    layer.backend = backend
    with torch.no_grad():
        output, state, gates = layer(x)
        holes = torch.where(gates.unsqueeze(-1) == 0, torch.nan, x)
        assert holes.isnan().any()
        again, end, _ = layer(holes)
    assert torch.equal(again, output)
    assert torch.equal(end.h, state.h)


@every_cell
def test_evaluation_equals_training(backend: Backend, cell: str) -> None:
    """Bit for bit by the kernel; torch's products round differently at other places in memory."""
    layer, x = make(cell, 32, 5, num_layers=2), sequences(9, 50, 5).detach()
    layer.backend = backend
    trained = everything(*layer(x))
    assert trained[0].requires_grad
    with torch.no_grad():
        evaluated = everything(*layer(x))
    assert not evaluated[0].requires_grad
    for one, other in zip(trained, evaluated, strict=True):
        torch.testing.assert_close(one, other, atol=0 if backend == "kernel" else 1e-13, rtol=0)


@every_cell
def test_float32_is_close_to_the_reference(backend: Backend, cell: str) -> None:
    """A decision may differ where ũ is within rounding of the threshold; all other rows agree."""
    layer, x = make(cell, 32).float(), sequences(9, 50, 3).detach().float()
    layer.backend = backend
    fast, _, gates = layer(x)
    layer.backend = "reference"
    slow, _, expected = layer(x)
    same = (gates == expected).all(1)
    assert same.float().mean() > 0.8
    torch.testing.assert_close(fast[same], slow[same], atol=1e-5, rtol=1e-5)


@every_backend
def test_threads_share_the_rows_without_changing_them(backend: Backend) -> None:
    layer, x = make("lstm").float(), sequences(101, 15, 3).detach().float()
    layer.backend = backend
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = layer(x)[0]
        torch.set_num_threads(3)
        torch.testing.assert_close(layer(x)[0], alone, atol=1e-6, rtol=1e-6)
    finally:
        torch.set_num_threads(before)


@every_backend
def test_time_major_sequences_are_taken_in_place_of_batch_first_ones(backend: Backend) -> None:
    batch_first, time_major = make("gru"), make("gru", batch_first=False)
    batch_first.backend = time_major.backend = backend
    x = sequences(4, 11, 3)
    assert torch.equal(batch_first(x)[0], time_major(x.transpose(0, 1))[0].transpose(0, 1))


@every_backend
def test_two_unrolls_in_flight_do_not_share_memory(backend: Backend) -> None:
    layer, x = make("lstm", 64), sequences(128, 40, 3)  # large enough to come from the shelf
    layer.backend = backend
    alone = gradients([layer(x)[0]], [x])[0]
    outputs = layer(x)[0], layer(x.detach() + 1)[0]
    kept = outputs[1].detach().clone()
    torch.testing.assert_close(gradients([outputs[0]], [x])[0], alone)
    gradients([layer(x)[0]], [x])
    assert torch.equal(outputs[1], kept)


@every_backend
def test_a_second_backward_pass_raises_an_error(backend: Backend) -> None:
    layer, x = make("lstm"), sequences(2, 5, 3)
    layer.backend = backend
    loss = layer(x)[0].sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="expected one backward pass, got a second"):
        loss.backward()


@every_backend
def test_weights_that_changed_before_the_backward_pass_are_noticed(backend: Backend) -> None:
    layer, x = make("lstm"), sequences(2, 5, 3)
    layer.backend = backend
    loss = layer(x)[0].sum()
    with torch.no_grad():
        layer.get_parameter("weight_hh_l0").zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@every_backend
def test_frozen_weights_get_no_gradient_and_the_others_do(backend: Backend) -> None:
    layer, x = make("gru"), sequences(2, 9, 3)
    layer.backend = backend
    layer.get_parameter("weight_ih_l0").requires_grad_(False)
    layer(x.detach())[0].sum().backward()
    assert layer.get_parameter("weight_ih_l0").grad is None
    assert layer.get_parameter("weight_hh_l0").grad is not None


def test_under_autocast_the_unroll_keeps_the_weights_precision() -> None:
    layer, x = make("lstm").float(), sequences(2, 9, 3).detach().float()
    expected = layer(x.bfloat16().float())[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(x.bfloat16())[0]
    assert output.dtype == torch.float32
    torch.testing.assert_close(output, expected)


X = torch.zeros(4, 2, 3)


@needs_kernel
@pytest.mark.parametrize("layer", [SkipLSTM(3, 8), SkipGRU(3, 8), SkipGRU(3, 8, 2), SkipLSTM(3, 8, 3)])
def test_the_kernel_runs_where_it_can(layer: SkipLSTM | SkipGRU) -> None:
    choice = layer.choose_backend(X)
    assert choice.backend == "kernel"
    assert str(choice).startswith("kernel (C++ for x86-64-v3, ")
    assert str(choice).endswith(f"threads: {torch.get_num_threads()})")


def test_what_the_kernel_cannot_do_the_torch_back_end_does() -> None:
    before = SkipGRU(3, 8, reset_after=False)
    assert str(before.choose_backend(X)) == (
        "torch (not the kernel: the reset-before GRU has another recurrent product at every sample)"
    )
    narrow = SkipGRU(3, 8).bfloat16().choose_backend(X.bfloat16())
    assert narrow == ("torch", "not the kernel: expected float32 or float64, got torch.bfloat16")
    elsewhere = SkipGRU(3, 8).choose_backend(X.to("meta"))
    assert elsewhere == ("torch", "not the kernel: it runs on the CPU, the input is on meta")


@pytest.mark.parametrize("name", ["torch", "reference"])
def test_a_back_end_can_be_asked_for(name: str) -> None:
    layer = SkipGRU(3, 8)
    layer.backend = name  # type: ignore[assignment]
    assert layer.choose_backend(X) == (name, "asked for")


def test_a_back_end_that_cannot_is_not_replaced_silently() -> None:
    layer = SkipGRU(3, 8, reset_after=False)
    layer.backend = "kernel"
    with pytest.raises(ValueError, match="the kernel cannot unroll this: the reset-before GRU"):
        layer(X)
    layer.backend = "numba"  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"backend: expected one of \('auto', 'kernel', .*, got 'numba'"):
        layer(X)
