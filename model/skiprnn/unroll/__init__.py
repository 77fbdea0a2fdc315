"""The unroll of whole sequences: one contract (contract.py), several back ends.

    reference  the readable loop in skip_rnn.py, under autograd; the others are held to it
    torch      torch_backend.py: torch operations, derivatives by hand; every cell, device and floating dtype
    kernel     kernel.py and kernel.cpp: C++ on the CPU

Both fast back ends exploit skipping exactly. A row that skips keeps its state, so the forward pass computes the rows
that update and no others. The straight-through gradient needs the candidate of every skipped sample too, but only its
value: no gradient flows on from it. So the backward pass computes those in bulk, with one recurrent product for a whole
run of skips.

`choose` says which back end runs, and why.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from skiprnn.gate import GateState
from skiprnn.unroll.build import library
from skiprnn.unroll.contract import (
    Gradients,
    Layer,
    Problem,
    Result,
    Run,
    Settings,
    SkipState,
    Stack,
)
from skiprnn.unroll.kernel import KernelRun, obstacle
from skiprnn.unroll.torch_backend import TorchRun

__all__ = ["Backend", "Choice", "Layer", "Result", "Settings", "SkipState", "Stack", "choose", "unroll"]

Backend = Literal["auto", "kernel", "torch", "reference"]

_RUNS: dict[str, type[Run]] = {"kernel": KernelRun, "torch": TorchRun}


class Choice(NamedTuple):
    """Which back end runs, and why; `str` of it is a line for a log."""

    backend: Backend
    reason: str

    def __str__(self) -> str:
        return f"{self.backend} ({self.reason})"


def choose(wanted: Backend, cell: str, x: Tensor) -> Choice:
    """Which back end unrolls x [T, B, F] with this cell?

    Raises:
        ValueError: the one that is wanted cannot, or is none.
    """
    if wanted not in get_args(Backend):
        raise ValueError(f"backend: expected one of {get_args(Backend)}, got {wanted!r}")
    if wanted in ("reference", "torch"):
        return Choice(wanted, "asked for")
    reason = obstacle(cell, x)
    if reason is None:
        return Choice("kernel", f"{library().reason}; threads: {torch.get_num_threads()}")
    if wanted == "kernel":
        raise ValueError(f"backend: the kernel cannot unroll this: {reason}; expected 'auto' or 'torch'")
    return Choice("torch", f"not the kernel: {reason}")


def unroll(backend: Backend, x: Tensor, stack: Stack, settings: Settings, state: SkipState) -> Result:
    """Unroll sequences, x [T, B, F], by "kernel" or "torch".

    Equal to the reference in outputs, final state and gradients, up to rounding. The backward pass runs once.
    """
    inputs = list(_flat(x, stack, state))
    save = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs)
    with torch.autocast(x.device.type, enabled=False):
        run = _RUNS[backend](_detached(x, stack, settings, state, save=save))
        if not save:
            with torch.no_grad():
                return run.forward()
        outputs, gates, h, c, delta_u, cum, skipped = _Unroll.apply(run, *inputs)  # type: ignore[no-untyped-call]
    return Result(outputs, gates, SkipState(h, c, GateState(delta_u, cum, skipped)))


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, run: Run, *inputs: Tensor | None) -> tuple[Tensor | None, ...]:
        ctx.run = run
        ctx.save_for_backward(*inputs)  # so that autograd notices if one of them was changed in place
        ctx.set_materialize_grads(False)
        outputs, gates, (h, c, (delta_u, cum, skipped)) = run.forward()
        ctx.mark_non_differentiable(skipped)
        return outputs, gates, h, c, delta_u, cum, skipped

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        _ = ctx.saved_tensors
        run, ctx.run = ctx.run, None  # its buffers are large, and used up
        if run is None:
            raise RuntimeError(
                "expected one backward pass, got a second: use backend='reference' to retain a graph"
            )
        x, stack, h, c, delta_u, cum = run.backward(Gradients(*grads[:6]))
        return None, *_flat(x, stack, SkipState(h, c, GateState(delta_u, cum, cum)))


def _flat(x: Tensor | None, stack: Stack, state: SkipState) -> Iterator[Tensor | None]:
    """Everything that can have a gradient, in the order of `_Unroll`'s arguments."""
    yield x
    for layer in stack.layers:
        yield from layer
    yield from (stack.gate_weight, stack.gate_bias, state.h, state.c, state.gate.delta_u, state.gate.cum)


def _detached(x: Tensor, stack: Stack, settings: Settings, state: SkipState, *, save: bool) -> Problem:
    dtype = stack.gate_weight.dtype  # under autocast, x may come in a narrower one
    layers = tuple(Layer(*(tensor.detach() for tensor in layer)) for layer in stack.layers)
    gate = GateState(*(tensor.detach() for tensor in state.gate))
    detached = SkipState(state.h.detach(), None if state.c is None else state.c.detach(), gate)
    whole = Stack(layers, stack.gate_weight.detach(), stack.gate_bias.detach())
    return Problem(x.detach().to(dtype), whole, settings, detached, save, needs_dx=save and x.requires_grad)
