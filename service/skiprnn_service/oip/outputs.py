"""The outputs of an inference by name: of N sequences of T steps, or of one chunk of a live sequence (N = 1)."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, TooLargeError
from skiprnn_service.oip.tensors import Array


class InferResult(NamedTuple):
    """The updates of an inference.

    Attributes:
        first: index of the first of the T steps; past 0 in a live sequence.
        steps: T.
        t: of each sequence the indices [M_i] of its updates.
        y: their outputs, [M_i, K].
        before: [K], the output that held before the first step; None: the first step is an update.
        wake: [N], index of the next update.
    """

    first: int
    steps: int
    t: Sequence[NDArray[np.int64]]
    y: Sequence[NDArray[np.float32]]
    before: NDArray[np.float32] | None
    wake: NDArray[np.int64]

    @property
    def outputs(self) -> int:
        """K."""
        return int(self.y[0].shape[1])

    def held(self, i: int) -> NDArray[np.float32]:
        """[1 + M_i, K] or [M_i, K]: the output before the first step, if there was one, and those of all updates."""
        return self.y[i] if self.before is None else np.concatenate([self.before[np.newaxis], self.y[i]])


class Output(NamedTuple):
    """An output: its datatype, its dimensions (−1: any; "K"), how it is made, and its meaning."""

    datatype: str
    dims: tuple[int | str, ...]
    make: Callable[[InferResult], Array]
    meaning: str


def _y(result: InferResult) -> Array:
    return np.stack([result.held(i)[-1] for i in range(len(result.y))])


def _steps(result: InferResult) -> Array:
    """Each output holds until the next: to the end of the sequence and its padding."""
    index = np.arange(result.first, result.first + result.steps)
    missing = 1 if result.before is None else 0
    rows = (result.held(i)[t.searchsorted(index, side="right") - missing] for i, t in enumerate(result.t))
    return np.stack(list(rows))


def _mask(result: InferResult) -> Array:
    mask = np.zeros((len(result.t), result.steps), np.bool_)
    for row, t in zip(mask, result.t, strict=True):
        row[t - result.first] = True
    return mask


def _counts(result: InferResult) -> Array:
    return np.array([len(t) for t in result.t], np.int64)


OUTPUTS = {
    "y": Output("FP32", (-1, "K"), _y, "the output after the last step"),
    "wake": Output("INT64", (-1,), lambda result: result.wake, "index of the next update"),
    "update_count": Output("INT64", (-1,), _counts, "number of updates"),
    "update_t": Output("INT64", (-1,), lambda result: np.concatenate(result.t), "their indices"),
    "update_y": Output("FP32", (-1, "K"), lambda result: np.concatenate(result.y), "their outputs"),
    "update_mask": Output("BOOL", (-1, -1), _mask, "whether a step is an update"),
    "y_steps": Output("FP32", (-1, -1, "K"), _steps, "the output that holds at a step"),
}


def check_names(names: Iterable[str]) -> None:
    """Raise MessageError for an unknown output."""
    for name in names:
        if name not in OUTPUTS:
            raise MessageError(f"outputs: expected some of {list(OUTPUTS)}, got {name!r:.100}")


def check_size(names: Iterable[str], *, sequences: int, steps: int, outputs: int, limit: int) -> None:
    """Raise TooLargeError where y of every step would be more than `limit` bytes (max_request_bytes)."""
    size = 4 * sequences * steps * outputs
    if "y_steps" in names and size > limit:
        expected = f"{limit} bytes at most (max_request_bytes)"
        way_out = "ask for update_t, update_y and update_count in its place"
        raise TooLargeError(f"y_steps: expected {expected}, it would be {size}: {way_out}")


def make(names: Iterable[str], result: InferResult) -> dict[str, Array]:
    """The outputs of these names."""
    return {name: OUTPUTS[name].make(result) for name in names}
