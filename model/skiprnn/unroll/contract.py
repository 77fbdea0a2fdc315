"""What an unroll is given and what it gives, the same for every back end: T time, B batch, F features, H, L layers."""

from typing import NamedTuple, Protocol

from torch import Tensor

from skiprnn.gate import GateState


class SkipState(NamedTuple):
    """Everything that a stack carries from one sample to the next: layers' states and the gate's."""

    h: Tensor  # [L, B, H]
    c: Tensor | None  # [L, B, H]; None for the GRU
    gate: GateState

    def detach(self) -> "SkipState":
        """The same values, from which no gradient flows on."""
        c = None if self.c is None else self.c.detach()
        return SkipState(self.h.detach(), c, GateState(*(tensor.detach() for tensor in self.gate)))


class Layer(NamedTuple):
    """Parameters of a layer, torch's shapes: [G·H, F or H], [G·H, H], [G·H], [G·H]."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor
    b_hh: Tensor


class Stack(NamedTuple):
    """Layers under one gate, whose Δũ = σ(weight · top + bias): weight [H], bias []."""

    layers: tuple[Layer, ...]
    gate_weight: Tensor
    gate_bias: Tensor


class Settings(NamedTuple):
    """What takes no part in gradients."""

    cell: str  # "lstm", "gru" or "gru_reset_before"
    threshold: float
    max_skip: int
    lengths: Tensor | None = None  # [B]
    forced: Tensor | None = None  # [T, B] of 0 and 1


class Problem(NamedTuple):
    """Sequences to unroll: x [T, B, F]. `save`: a backward pass may follow. No tensor here is part of a graph."""

    x: Tensor
    stack: Stack
    settings: Settings
    state: SkipState
    save: bool
    needs_dx: bool = False


class Result(NamedTuple):
    """outputs [T, B, H], gates [T, B], the final state."""

    outputs: Tensor
    gates: Tensor
    state: SkipState


class Gradients(NamedTuple):
    """Those of a result; None is zero."""

    outputs: Tensor | None = None
    gates: Tensor | None = None
    h: Tensor | None = None
    c: Tensor | None = None
    delta_u: Tensor | None = None
    cum: Tensor | None = None


class ProblemGradients(NamedTuple):
    """Those of a problem."""

    x: Tensor | None
    stack: Stack
    h: Tensor
    c: Tensor | None
    delta_u: Tensor
    cum: Tensor


class Run(Protocol):
    """A back end at work on one problem: forward once, then backward at most once."""

    def __init__(self, problem: Problem) -> None: ...

    def forward(self) -> Result: ...

    def backward(self, gradients: Gradients) -> ProblemGradients: ...
