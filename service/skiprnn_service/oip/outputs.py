"""What can be asked of an inference by output name: N sequences of T steps, or one piece of a live one (N = 1)."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, TooLargeError
from skiprnn_service.oip.tensors import Array


class Reading(NamedTuple):
    """What a network read.

    Attributes:
        first: index of the first of the T steps; past 0 in a live sequence.
        steps: T.
        t: of each sequence the indices [M_i] of the samples that were read.
        y: their outputs, [M_i, K].
        before: [K], the output that held before the first step; None: the first step is read.
        wake: [N], index of the next sample that would be read.
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
    """An output: its datatype, its dimensions behind N (−1: any; "K"), whether it begins with N, how it is made."""

    datatype: str
    dims: tuple[int | str, ...]
    make: Callable[[Reading], Array]
    meaning: str


def _y(reading: Reading) -> Array:
    return np.stack([reading.held(i)[-1] for i in range(len(reading.y))])


def _steps(reading: Reading) -> Array:
    """Each output holds until the next: to the end of the sequence, and of the padding behind it."""
    index = np.arange(reading.first, reading.first + reading.steps)
    missing = 1 if reading.before is None else 0
    rows = (reading.held(i)[t.searchsorted(index, side="right") - missing] for i, t in enumerate(reading.t))
    return np.stack(list(rows))


def _mask(reading: Reading) -> Array:
    mask = np.zeros((len(reading.t), reading.steps), np.bool_)
    for row, t in zip(mask, reading.t, strict=True):
        row[t - reading.first] = True
    return mask


def _counts(reading: Reading) -> Array:
    return np.array([len(t) for t in reading.t], np.int64)


OUTPUTS = {
    "y": Output("FP32", (-1, "K"), _y, "the output after the last step"),
    "wake": Output("INT64", (-1,), lambda reading: reading.wake, "index of the next sample to be read"),
    "update_count": Output("INT64", (-1,), _counts, "samples that were read"),
    "update_t": Output("INT64", (-1,), lambda reading: np.concatenate(reading.t), "their indices"),
    "update_y": Output("FP32", (-1, "K"), lambda reading: np.concatenate(reading.y), "their outputs"),
    "update_mask": Output("BOOL", (-1, -1), _mask, "whether a step was read"),
    "y_steps": Output("FP32", (-1, -1, "K"), _steps, "the output that holds at a step"),
}


def check_names(names: Iterable[str]) -> None:
    """Raise MessageError for an output that there is not."""
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


def make(names: Iterable[str], reading: Reading) -> dict[str, Array]:
    """The outputs of these names."""
    return {name: OUTPUTS[name].make(reading) for name in names}
