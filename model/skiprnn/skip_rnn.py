"""Skip LSTM and Skip GRU: drop-in for torch.nn.LSTM and torch.nn.GRU, with a gate that decides when they update.

Complete: the networks of Campos et al. (ICLR 2018, arXiv 1708.06834), eq. 1 to 6, any number of layers under one
shared gate, padded and packed batches, a learned initial state. The loop in `_reference` is the readable one;
`skiprnn.unroll` does the same faster.

Not here: bidirectional networks (a live stream has no future), projections (`proj_size`), dropout between
layers.

Glossary (B batch, T time, F features, H hidden, L layers):

    h, c       [L, B, H]   state of every layer (c: LSTM alone)
    h~, c~     [L, B, H]   candidates: the state if this sample updates it
    u          [B]         1 = update, 0 = skip; one gate for the stack, driven by the top candidate
    Δũ         [B]         σ(w_p · c~ + b_p), LSTM;  σ(w_p · h~ + b_p), GRU

Parameters have torch's names, shapes and gate order, so a state dict of nn.LSTM / nn.GRU fits: weight_ih_l0
[4H, F] (i, f, g, o) or [3H, F] (r, z, n), weight_hh_l0, bias_ih_l0, bias_hh_l0. The paper's "forget bias 1 added
at run time" is the initial value of the forget gate's bias_ih: the same function and the same gradient.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Self, TypedDict, Unpack, overload

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from skiprnn.gate import GateState, advance, decide, first_gate
from skiprnn.gate_limits import DEFAULT_MAX_SKIP, check_gate
from skiprnn.layout import Layout, Lengths, layout_of
from skiprnn.reference_cells import gru_cell, gru_cell_reset_before, lstm_cell
from skiprnn.unroll import Backend, Choice, Layer, Result, Settings, SkipState, Stack, choose, unroll

__all__ = ["Candidates", "SkipGRU", "SkipLSTM", "SkipState"]

Start = SkipState | Tensor | tuple[Tensor, Tensor] | None


class Candidates(NamedTuple):
    """The state after a sample if it updates: h~ and c~ [L, B, H] (c~ of an LSTM alone), and Δũ [B]."""

    h: Tensor
    c: Tensor | None
    delta_u: Tensor


class _Options(TypedDict, total=False):
    """Arguments that every cell has; `_SkipRNN.__init__` says what they are and which values they have by default."""

    batch_first: bool
    threshold: float
    max_skip: int
    device: torch.device | str | None
    dtype: torch.dtype | None


class _SkipRNN(nn.Module, ABC):
    """What Skip LSTM and Skip GRU share: parameters, initialisation, the unroll.

    Attributes:
        backend: "auto" takes the C++ kernel where it can, else torch operations; "kernel", "torch" and "reference"
            take that one or raise. `choose_backend` says which it is.
    """

    gates_per_cell: int
    backend: Backend = "auto"

    _mode: str  # of torch's layer with the same weights
    _has_c: bool

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        batch_first: bool = True,
        threshold: float = 0.5,
        max_skip: int = DEFAULT_MAX_SKIP,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_gate(threshold, max_skip)
        empty = partial(torch.empty, device=device, dtype=dtype)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.threshold, self.max_skip = batch_first, threshold, max_skip
        for layer in range(num_layers):
            self._add_layer(layer, input_size if layer == 0 else hidden_size, empty)
        self.h0 = nn.Parameter(empty(num_layers, hidden_size))
        self.gate = nn.Linear(hidden_size, 1, device=device, dtype=dtype)
        if self._has_c:
            self.c0 = nn.Parameter(empty(num_layers, hidden_size))
        self.reset_parameters()

    def _add_layer(self, layer: int, width: int, empty: Callable[..., Tensor]) -> None:
        rows = self.gates_per_cell * self.hidden_size
        self.register_parameter(f"weight_ih_l{layer}", nn.Parameter(empty(rows, width)))
        self.register_parameter(f"weight_hh_l{layer}", nn.Parameter(empty(rows, self.hidden_size)))
        self.register_parameter(f"bias_ih_l{layer}", nn.Parameter(empty(rows)))
        self.register_parameter(f"bias_hh_l{layer}", nn.Parameter(empty(rows)))

    def layer(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """weight_ih [G·H, F or H], weight_hh [G·H, H], bias_ih and bias_hh [G·H] of a layer, as in torch."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_ih, w_hh, b_ih, b_hh = (self.get_parameter(f"{name}_l{index}") for name in names)
        return w_ih, w_hh, b_ih, b_hh

    def reset_parameters(self) -> None:
        """The paper's initialisation: Glorot on [x, h] concatenated, N(0, 1) initial states, gate bias 1."""
        for index in range(self.num_layers):
            w_ih, w_hh, b_ih, b_hh = self.layer(index)
            nn.init.zeros_(b_hh)
            self._reset_bias(b_ih)
            for rows in self._matrices():
                _glorot_concatenated(w_ih[rows], w_hh[rows])
        nn.init.normal_(self.h0)
        nn.init.xavier_uniform_(self.gate.weight)
        nn.init.ones_(self.gate.bias)
        if self._has_c:
            nn.init.normal_(self.c0)

    @abstractmethod
    def _matrices(self) -> list[slice]:
        """Rows of the gates that the paper computes as one matrix: Glorot's fan-out depends on it."""

    @abstractmethod
    def _reset_bias(self, bias: Tensor) -> None:
        """Set the biases [gates·H] of a layer to what the paper begins with, in place."""

    @abstractmethod
    def candidates(self, x: Tensor, h: Tensor, c: Tensor | None) -> Candidates:
        """One update step, without the gate: x [B, F], h and c [L, B, H] → candidates."""

    def initial_state(self, batch_size: int) -> SkipState:
        """The learned initial state, h and c [L, B, H], with a gate that updates at the first sample."""
        c = _for_batch(self.c0, batch_size) if self._has_c else None
        return SkipState(_for_batch(self.h0, batch_size), c, first_gate(batch_size, self.h0))

    @overload
    def forward(
        self, input: Tensor, state: Start = ..., lengths: Lengths = ..., *, forced_gates: Tensor | None = ...
    ) -> tuple[Tensor, SkipState, Tensor]: ...
    @overload
    def forward(
        self, input: PackedSequence, state: Start = ...
    ) -> tuple[PackedSequence, SkipState, PackedSequence]: ...
    def forward(
        self,
        input: Tensor | PackedSequence,
        state: Start = None,
        lengths: Lengths = None,
        *,
        forced_gates: Tensor | None = None,
    ) -> tuple[Any, SkipState, Any]:
        """Run over sequences. torch.compile leaves it as it is.

        Args:
            input: [B, T, F] (or [T, B, F] with batch_first=False), one sequence [T, F], or a PackedSequence.
            state: what an earlier call returned, to continue; or torch's h [L, B, H] (GRU) or (h, c) (LSTM), to
                start there; None starts from the learned initial state. Without B for one sequence.
            lengths: [B], samples of each padded sequence; from there on its state is held and its gate is 0.
            forced_gates: [B, T] of 0 and 1, laid out as `input`: a fixed schedule in place of the learned gate.

        Returns:
            output [B, T, H] of the top layer and gates [B, T], both laid out as `input`, and between them the final
            state.

        Raises:
            ValueError: a shape does not fit.
        """
        layout = layout_of(input, lengths, batch_first=self.batch_first)
        x = layout.x
        self._check(x, input.data if isinstance(input, PackedSequence) else input)
        T, B, _ = x.shape
        _check_lengths(layout.lengths, T, B)
        forced = None if forced_gates is None else layout.time_first(forced_gates)
        if forced is not None and forced.shape != (T, B):
            raise ValueError(
                f"forced_gates: expected one for each of {B} × {T} samples, got {list(forced.shape)}"
            )
        settings = self._settings(layout.lengths, forced)
        outputs, gates, final = self._unroll(x, self._start(state, layout), settings)
        return layout.as_given(outputs), layout.leave(final), layout.as_given(gates)

    def choose_backend(self, input: Tensor | PackedSequence) -> Choice:
        """Which back end unrolls such sequences, laid out as for `forward`, and why: a line for the log.

        Raises:
            ValueError: `backend` names one that cannot.
        """
        return self._choose(layout_of(input, None, batch_first=self.batch_first).x)

    def _choose(self, x: Tensor) -> Choice:
        return choose(self.backend, self._cell, x)

    @property
    @abstractmethod
    def _cell(self) -> str:
        """This cell's name among those of `Settings`."""

    def _settings(self, lengths: Tensor | None, forced: Tensor | None) -> Settings:
        return Settings(self._cell, self.threshold, self.max_skip, lengths, forced)

    def _unroll(self, x: Tensor, state: SkipState, settings: Settings) -> Result:
        backend = self._choose(x).backend
        if backend == "reference":
            return self._reference(x, state, settings)
        layers = tuple(Layer(*self.layer(index)) for index in range(self.num_layers))
        stack = Stack(layers, self.gate.weight[0], self.gate.bias[0])
        return unroll(backend, x, stack, settings, state)

    def _reference(self, x: Tensor, state: SkipState, settings: Settings) -> Result:
        """The readable loop over x [T, B, F]."""
        outputs, gates = [], []
        for t, x_t in enumerate(x.unbind(0)):
            stepped, u = self._step(x_t, state, None if settings.forced is None else settings.forced[t])
            if settings.lengths is not None:
                inside = t < settings.lengths.to(x.device)  # (B,)
                stepped, u = _hold(inside, stepped, state), u * inside
            state = stepped
            outputs.append(state.h[-1])
            gates.append(u)
        return Result(torch.stack(outputs), torch.stack(gates), state)

    def _step(self, x: Tensor, state: SkipState, forced: Tensor | None) -> tuple[SkipState, Tensor]:
        """One sample: decide, compute the candidates, take or copy (eq. 1).

        The straight-through gradient needs the candidates also where u = 0: nothing here branches on u.
        """
        u, u_tilde = decide(state.gate, threshold=self.threshold, max_skip=self.max_skip)
        if forced is not None:
            u = forced.to(u.dtype)
        new = self.candidates(x, state.h, state.c)
        h = _take(u, new.h, state.h)
        c = None if new.c is None or state.c is None else _take(u, new.c, state.c)
        return SkipState(h, c, advance(state.gate, u, u_tilde, new.delta_u)), u

    def _delta_u(self, top: Tensor) -> Tensor:
        return torch.sigmoid(self.gate(top).squeeze(-1))  # (B,)

    def _start(self, state: Start, layout: Layout) -> SkipState:
        batch_size = layout.x.shape[1]
        if state is None:
            return self.initial_state(batch_size)
        if isinstance(state, SkipState):
            start = layout.enter_state(state)
        else:
            h, c = (state, None) if isinstance(state, Tensor) else state
            h, c = layout.enter(h), None if c is None else layout.enter(c)
            start = SkipState(h, c, first_gate(batch_size, h))
        self._check_state(start, batch_size)
        return start

    def _check_state(self, state: SkipState, batch_size: int) -> None:
        if (state.c is None) != (not self._has_c):
            raise ValueError("state: expected (h, c) for an LSTM and h alone for a GRU")
        vectors = (self.num_layers, batch_size, self.hidden_size)
        tensors = {"h": state.h, "c": state.c} | state.gate._asdict()
        for name, tensor in tensors.items():
            if tensor is None:
                continue
            shape = vectors if name in ("h", "c") else (batch_size,)
            dtype = torch.int64 if name == "skipped" else self.h0.dtype
            _check_tensor(f"state: expected {name}", tensor, shape, dtype, self.h0.device)

    def _check(self, x: Tensor, given: Tensor) -> None:
        if x.ndim != 3 or x.shape[2] != self.input_size or x.shape[0] == 0:
            order = "[B, T, F]" if self.batch_first else "[T, B, F]"
            raise ValueError(
                f"input: expected {order} or [T, F] with T ≥ 1 and F = {self.input_size}, got {tuple(given.shape)}"
            )
        if x.device != self.h0.device or not (
            x.dtype == self.h0.dtype or torch.is_autocast_enabled(x.device.type)
        ):
            expected = f"{self.h0.dtype} on {self.h0.device}, as the weights"
            raise ValueError(f"input: expected {expected}, got {x.dtype} on {x.device}")

    @classmethod
    def from_torch(
        cls, trained: nn.RNNBase, *, threshold: float = 0.5, max_skip: int = DEFAULT_MAX_SKIP
    ) -> Self:
        """A Skip RNN that computes what a trained nn.LSTM (SkipLSTM) or nn.GRU (SkipGRU) does, at every sample.

        It has the weights, the zero initial state, device and dtype of the trained network. Its gate is new: its
        weights are 0 and its bias 1, so it updates at every sample until it learns to skip.

        Raises:
            ValueError: as `load_torch`; threshold or max_skip out of range.
        """
        first = next(trained.parameters())
        network = cls(
            trained.input_size,
            trained.hidden_size,
            trained.num_layers,
            batch_first=trained.batch_first,
            threshold=threshold,
            max_skip=max_skip,
            device=first.device,
            dtype=first.dtype,
        )
        nn.init.zeros_(network.gate.weight)
        return network.load_torch(trained)

    def load_torch(self, trained: nn.RNNBase) -> Self:
        """Take weights and biases from a trained nn.LSTM / nn.GRU and start from its zero state. The gate stays.

        Without biases they become 0. Dropout between layers is not here: outputs are those of `eval()`.

        Raises:
            ValueError: it is of the other cell, bidirectional, has projections, or its sizes differ.
        """
        if trained.bidirectional or trained.proj_size:
            raise ValueError(
                f"load_torch: expected a one-directional network without projections, got {trained}"
            )
        sizes = (self._mode, self.input_size, self.hidden_size, self.num_layers)
        given = (trained.mode, trained.input_size, trained.hidden_size, trained.num_layers)
        if given != sizes:
            raise ValueError(
                f"load_torch: expected (cell, input_size, hidden_size, num_layers) = {sizes}, got {given}"
            )
        self.load_state_dict(trained.state_dict(), strict=False)
        biases = () if trained.bias else (bias for i in range(self.num_layers) for bias in self.layer(i)[2:])
        for zero in (self.h0, *((self.c0,) if self._has_c else ()), *biases):
            nn.init.zeros_(zero)
        return self

    def extra_repr(self) -> str:
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, "
            f"threshold={self.threshold}, max_skip={self.max_skip}"
        )


# Its loops and ctypes calls are nothing that dynamo could make faster; without this, it warns at every one.
_SkipRNN.forward = torch.compiler.disable(_SkipRNN.forward)  # type: ignore[method-assign,no-untyped-call]


class SkipLSTM(_SkipRNN):
    """Skip LSTM (eq. 1 to 6 over an LSTM cell). See `forward` for shapes.

    Args:
        input_size: F.
        hidden_size: H.
        num_layers: L, layers under one gate; the input of layer l + 1 is the candidate h~ of layer l.
        batch_first: input and output are [B, T, …].
        threshold: ũ at which the gate opens, in [0.5, 1].
        max_skip: the longest run of skipped samples, 1 to 16,383.
        device, dtype: of the parameters, as in torch.

    Raises:
        ValueError: threshold or max_skip out of range.
    """

    gates_per_cell, _mode, _has_c = 4, "LSTM", True

    def candidates(self, x: Tensor, h: Tensor, c: Tensor | None) -> Candidates:
        if c is None:
            raise ValueError("state: expected (h, c) for an LSTM and h alone for a GRU")
        hs, cs = [], []
        for index in range(self.num_layers):
            x, new_c = lstm_cell(x, h[index], c[index], *self.layer(index))
            hs.append(x)
            cs.append(new_c)
        return Candidates(torch.stack(hs), torch.stack(cs), self._delta_u(cs[-1]))

    @property
    def _cell(self) -> str:
        return "lstm"

    def _matrices(self) -> list[slice]:
        return [slice(None)]

    def _reset_bias(self, bias: Tensor) -> None:
        H = self.hidden_size
        nn.init.zeros_(bias)
        nn.init.ones_(bias[H : 2 * H])  # forget gate


class SkipGRU(_SkipRNN):
    """Skip GRU (eq. 1 to 6 over a GRU cell). See `forward` for shapes, `SkipLSTM` for the other arguments.

    Args:
        reset_after: True is torch's and cuDNN's cell, where the reset gate multiplies the projected h; False is
            the paper's, where it multiplies h before the product.
    """

    gates_per_cell, _mode, _has_c = 3, "GRU", False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        reset_after: bool = True,
        **options: Unpack[_Options],
    ) -> None:
        self.reset_after = reset_after
        super().__init__(input_size, hidden_size, num_layers, **options)

    def candidates(self, x: Tensor, h: Tensor, c: Tensor | None) -> Candidates:  # noqa: ARG002
        hs = []
        cell = gru_cell if self.reset_after else gru_cell_reset_before
        for index in range(self.num_layers):
            x = cell(x, h[index], *self.layer(index))
            hs.append(x)
        return Candidates(torch.stack(hs), None, self._delta_u(hs[-1]))

    @property
    def _cell(self) -> str:
        return "gru" if self.reset_after else "gru_reset_before"

    def _matrices(self) -> list[slice]:
        H = self.hidden_size
        return [slice(0, 2 * H), slice(2 * H, 3 * H)]

    def _reset_bias(self, bias: Tensor) -> None:
        H = self.hidden_size
        nn.init.ones_(bias[: 2 * H])
        nn.init.zeros_(bias[2 * H :])

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, reset_after={self.reset_after}"


def _for_batch(vectors: Tensor, batch_size: int) -> Tensor:
    """[L, H] → [L, B, H]"""
    return vectors.unsqueeze(1).expand(-1, batch_size, -1)


def _take(u: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """s = u·s~ + (1 − u)·s (eq. 1); exact in floating point at u = 0 and u = 1. u [B], states [L, B, H]."""
    u = u.unsqueeze(-1)
    return u * new + (1 - u) * old


def _hold(inside: Tensor, new: SkipState, old: SkipState) -> SkipState:
    """Past the end of a padded sequence nothing moves. inside [B] bool."""
    rows = inside.unsqueeze(-1)
    c = None if new.c is None or old.c is None else torch.where(rows, new.c, old.c)
    gate = GateState(*(torch.where(inside, n, o) for n, o in zip(new.gate, old.gate, strict=True)))
    return SkipState(torch.where(rows, new.h, old.h), c, gate)


def _check_lengths(lengths: Tensor | None, T: int, B: int) -> None:
    if lengths is None:
        return
    if lengths.shape != (B,) or int(lengths.min()) < 1 or int(lengths.max()) > T:
        raise ValueError(f"lengths: expected {B} numbers from 1 to {T}, got {lengths.tolist()!r}")


def _check_tensor(
    expected: str, tensor: Tensor, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> None:
    if tensor.shape != shape or tensor.dtype != dtype or tensor.device != device:
        got = f"{tuple(tensor.shape)}, {tensor.dtype} on {tensor.device}"
        raise ValueError(f"{expected} of shape {shape}, {dtype} on {device}, got {got}")


def _glorot_concatenated(w_ih: Tensor, w_hh: Tensor) -> None:
    """Glorot-uniform as for one matrix over [x, h], in place."""
    bound = math.sqrt(6 / (w_ih.shape[1] + w_hh.shape[1] + w_ih.shape[0]))
    nn.init.uniform_(w_ih, -bound, bound)
    nn.init.uniform_(w_hh, -bound, bound)
