"""Skip layers in float64, sequences for them, and gradients of all that they return."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from skiprnn import SkipGRU, SkipLSTM, SkipState
from skiprnn.unroll.build import library
from skiprnn.unroll.contract import Layer, Problem, Settings, Stack

SkipLayer = SkipLSTM | SkipGRU
needs_kernel = pytest.mark.skipif(
    library().functions is None, reason=f"the C++ kernel cannot be had: {library().reason}"
)


def make(
    cell: str, hidden: int = 8, features: int = 3, *, gate_bias: float = -1.0, **options: float
) -> SkipLayer:
    torch.manual_seed(0)
    makers: dict[str, Callable[..., SkipLayer]] = {
        "lstm": SkipLSTM,
        "gru": SkipGRU,
        "gru_reset_before": partial(SkipGRU, reset_after=False),
    }
    layer = makers[cell](features, hidden, **options)
    with torch.no_grad():
        layer.gate.bias.fill_(gate_bias)
    return layer.double()


def sequences(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def everything(output: Tensor, state: SkipState, gates: Tensor) -> list[Tensor]:
    cells = [] if state.c is None else [state.c]
    return [output, gates, state.h, *cells, state.gate.delta_u, state.gate.cum]


def gradients(results: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """Of the same random loss over all results."""
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(r.shape, generator=generator, dtype=r.dtype) for r in results]
    loss = torch.stack([(r * w).sum() for r, w in zip(results, weights, strict=True)]).sum()
    found = torch.autograd.grad(loss, inputs, allow_unused=True)
    return [torch.zeros_like(i) if g is None else g for g, i in zip(found, inputs, strict=True)]


def problem(layer: SkipLayer, x: Tensor, *, save: bool = True) -> Problem:
    """Unroll x [T, B, F] with this layer, from its initial state."""
    layers = tuple(
        Layer(*(tensor.detach() for tensor in layer.layer(index))) for index in range(layer.num_layers)
    )
    stack = Stack(layers, layer.gate.weight[0].detach(), layer.gate.bias[0].detach())
    settings = Settings(layer._cell, layer.threshold, layer.max_skip)
    with torch.no_grad():
        return Problem(x, stack, settings, layer.initial_state(x.shape[1]), save, needs_dx=save)
