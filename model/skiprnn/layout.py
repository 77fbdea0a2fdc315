"""How sequences lie in a tensor, as torch.nn.LSTM and torch.nn.GRU take them, and the way back.

Inside, a layer knows one layout alone: x [T, B, F], and lengths where sequences are padded.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from skiprnn.gate import GateState
from skiprnn.unroll import SkipState

Lengths = Tensor | Sequence[int] | None


class Layout(ABC):
    """The layout of one call's input.

    Attributes:
        x: [T, B, F].
        lengths: [B] int64, samples of each padded sequence; None when none is padded.
    """

    x: Tensor
    lengths: Tensor | None = None

    @abstractmethod
    def time_first(self, values: Tensor) -> Tensor:
        """Values of every sample, laid out as the input → [T, B]."""

    @abstractmethod
    def as_given(self, values: Tensor) -> Tensor | PackedSequence:
        """[T, B, …] → laid out as the input."""

    def enter(self, state: Tensor) -> Tensor:
        """h or c as the caller has it → [L, B, H]."""
        return state

    def enter_state(self, state: SkipState) -> SkipState:
        """A state that an earlier call returned → one of a batch."""
        return state

    def leave(self, state: SkipState) -> SkipState:
        """The state of a batch → as the caller has it."""
        return state


class _Batched(Layout):
    """[T, B, F], or [B, T, F] with batch_first."""

    def __init__(self, x: Tensor, lengths: Lengths, *, batch_first: bool) -> None:
        self._batch_first = batch_first
        self.x = self.time_first(x)
        self.lengths = None if lengths is None else torch.as_tensor(lengths, dtype=torch.int64)

    def time_first(self, values: Tensor) -> Tensor:
        return values.transpose(0, 1) if self._batch_first and values.ndim >= 2 else values

    def as_given(self, values: Tensor) -> Tensor:
        return values.transpose(0, 1) if self._batch_first else values


class _Unbatched(Layout):
    """One sequence [T, F]; its state is [L, H]."""

    def __init__(self, x: Tensor, lengths: Lengths) -> None:
        if lengths is not None:
            raise ValueError("lengths: expected none with one sequence [T, F], got some")
        self.x = x.unsqueeze(1)

    def time_first(self, values: Tensor) -> Tensor:
        return values.unsqueeze(1)

    def as_given(self, values: Tensor) -> Tensor:
        return values.squeeze(1)

    def enter(self, state: Tensor) -> Tensor:
        return state.unsqueeze(1)

    def enter_state(self, state: SkipState) -> SkipState:
        return _mapped(state, self.enter, lambda values: values.unsqueeze(0))

    def leave(self, state: SkipState) -> SkipState:
        return _mapped(state, lambda vectors: vectors.squeeze(1), lambda values: values.squeeze(0))


class _Packed(Layout):
    """A PackedSequence; its state and gates are in the order of the sequences before they were packed."""

    def __init__(self, packed: PackedSequence, lengths: Lengths) -> None:
        if lengths is not None:
            raise ValueError("lengths: expected none with a PackedSequence, which has its own, got some")
        self._packed = packed
        self.x, self.lengths = pad_packed_sequence(packed)

    def time_first(self, values: Tensor) -> Tensor:  # noqa: ARG002
        raise ValueError(
            "forced_gates: expected them with padded sequences and lengths, got a PackedSequence"
        )

    def as_given(self, values: Tensor) -> PackedSequence:
        order, lengths = self._packed.sorted_indices, self.lengths
        assert lengths is not None
        if order is not None:
            values, lengths = values.index_select(1, order), lengths[order.cpu()]
        packed = pack_padded_sequence(values, lengths)
        return packed._replace(sorted_indices=order, unsorted_indices=self._packed.unsorted_indices)


def layout_of(given: Tensor | PackedSequence, lengths: Lengths, *, batch_first: bool) -> Layout:
    """The layout of a layer's input.

    Args:
        given: [B, T, F] with batch_first, else [T, B, F]; one sequence [T, F]; or a PackedSequence of [T, F].
        lengths: samples of each padded sequence, [B].

    Raises:
        ValueError: lengths beside an input that has none.
    """
    if isinstance(given, PackedSequence):
        return _Packed(given, lengths)
    return (
        _Unbatched(given, lengths) if given.ndim == 2 else _Batched(given, lengths, batch_first=batch_first)
    )


def _mapped(
    state: SkipState, vectors: Callable[[Tensor], Tensor], values: Callable[[Tensor], Tensor]
) -> SkipState:
    """`vectors` of h and c, `values` of the gate's state."""
    c = None if state.c is None else vectors(state.c)
    return SkipState(vectors(state.h), c, GateState(*(values(value) for value in state.gate)))
