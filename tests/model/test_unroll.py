"""The kernel against the reference: outputs, final state and every gradient, in float64."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from skiprnn import SkipGRU, SkipLSTM, SkipState, unroll

Layer = SkipLSTM | SkipGRU
needs_kernel = pytest.mark.skipif(
    not unroll.available(), reason="no C++ compiler, or no x86-64 CPU with AVX2: the reference runs instead"
)


def make(cell: str, hidden: int, *, gate_bias: float = -1.0, **options: float) -> Layer:
    torch.manual_seed(0)
    maker = SkipLSTM if cell == "lstm" else SkipGRU
    layer = maker(3, hidden, **options).double()  # type: ignore[arg-type]
    with torch.no_grad():
        layer.gate.bias.fill_(gate_bias)
    return layer


def everything(output: Tensor, state: SkipState, gates: Tensor) -> list[Tensor]:
    return [
        output,
        gates,
        state.h,
        *([] if state.c is None else [state.c]),
        state.gate.delta_u,
        state.gate.cum,
    ]


def both(layer: Layer, x: Tensor, **options: object) -> Iterator[list[Tensor]]:
    """Results and gradients of the kernel, then of the reference, for the same random loss over all outputs."""
    for backend in ("auto", "reference"):
        layer.backend = backend
        assert layer.unrolls_fast(x) == (backend == "auto")
        results = everything(*layer(x, **options))
        generator = torch.Generator().manual_seed(1)
        loss = sum((r * torch.randn(r.shape, generator=generator, dtype=r.dtype)).sum() for r in results)
        assert isinstance(loss, Tensor)
        gradients = torch.autograd.grad(loss, list(layer.parameters()), allow_unused=True)
        yield [*(r.detach() for r in results), *(torch.zeros(1) if g is None else g for g in gradients)]


def assert_equal(layer: Layer, x: Tensor, **options: object) -> Tensor:
    ours, reference = both(layer, x, **options)
    for ours_one, reference_one in zip(ours, reference, strict=True):
        torch.testing.assert_close(ours_one, reference_one, atol=1e-10, rtol=1e-10)
    return ours[1]


@needs_kernel
@pytest.mark.parametrize("gate_bias", [20.0, -1.0, -4.0])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_equals_the_reference_at_every_rate(cell: str, gate_bias: float) -> None:
    gates = assert_equal(make(cell, 13, gate_bias=gate_bias), torch.randn(7, 60, 3).double())
    assert gates.mean() == 1 if gate_bias > 0 else 0 < gates.mean() < 0.7


@needs_kernel
@settings(max_examples=25)
@given(
    cell=st.sampled_from(["lstm", "gru"]),
    hidden=st.integers(1, 40),
    batch=st.integers(1, 100),
    time=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_it_equals_the_reference_at_every_size(
    cell: str, hidden: int, batch: int, time: int, seed: int
) -> None:
    x = torch.randn(batch, time, 3, generator=torch.Generator().manual_seed(seed)).double()
    assert_equal(make(cell, hidden), x)


@needs_kernel
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_equals_the_reference_with_lengths(cell: str) -> None:
    x, lengths = torch.randn(5, 20, 3).double(), torch.tensor([20, 1, 7, 13, 19])
    assert_equal(make(cell, 8), x, lengths=lengths)


@needs_kernel
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_equals_the_reference_under_a_cadence(cell: str) -> None:
    forced = (torch.rand(5, 20) < 0.4).double()
    gates = assert_equal(make(cell, 8), torch.randn(5, 20, 3).double(), forced_gates=forced)
    assert torch.equal(gates, forced)


@needs_kernel
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_equals_the_reference_with_a_cap_and_another_threshold(cell: str) -> None:
    x = torch.randn(5, 40, 3).double()
    assert_equal(make(cell, 8, gate_bias=-6.0, max_skip=5), x)
    assert_equal(make(cell, 8, threshold=0.9), x)


@needs_kernel
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gradients_flow_from_a_second_call_into_the_first(cell: str) -> None:
    layer, x = make(cell, 8), torch.randn(3, 24, 3).double()
    gradients = []
    for backend in ("auto", "reference"):
        layer.backend = backend
        _, state, _ = layer(x[:, :11])
        results = everything(*layer(x[:, 11:], state))
        gradients.append(torch.autograd.grad(sum(r.sum() for r in results), list(layer.parameters())))  # type: ignore[arg-type]
    for ours, reference in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-10, rtol=1e-10)


@needs_kernel
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_threads_share_the_rows_without_changing_them(cell: str) -> None:
    layer, x = make(cell, 8).float(), torch.randn(101, 15, 3)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = layer(x)[0]
        torch.set_num_threads(3)
        assert torch.equal(layer(x)[0], alone)
    finally:
        torch.set_num_threads(before)


@needs_kernel
def test_float32_is_close_to_the_reference() -> None:
    layer, x = make("gru", 32).float(), torch.randn(9, 50, 3)
    fast, _, gates = layer(x)
    layer.backend = "reference"
    slow, _, expected = layer(x)
    same = (gates == expected).all(1)
    assert same.float().mean() > 0.8
    torch.testing.assert_close(fast[same], slow[same], atol=1e-5, rtol=1e-5)


@needs_kernel
def test_what_the_kernel_cannot_do_the_reference_does() -> None:
    x = torch.zeros(4, 2, 3)
    assert SkipGRU(3, 8).unrolls_fast(x)
    assert not SkipGRU(3, 8, reset_after=False).unrolls_fast(x)
    assert not SkipGRU(3, 8, 2).unrolls_fast(x)
    assert not SkipGRU(3, 8).unrolls_fast(x.clone().requires_grad_())
    assert not SkipGRU(200, 8).unrolls_fast(torch.zeros(4, 2, 200))


def test_without_a_compiler_or_a_fitting_cpu_there_is_no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    unroll._library.cache_clear()
    monkeypatch.setattr(unroll, "_target", lambda: None)
    assert not unroll.available()
    assert not SkipGRU(3, 8).unrolls_fast(torch.zeros(4, 2, 3))
    unroll._library.cache_clear()
