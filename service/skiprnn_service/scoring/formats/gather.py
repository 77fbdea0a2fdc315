"""Brings the rows of each sequence together, wherever they stand in a table.

A first pass reads the column of the sequences alone and finds the last row of each. The second takes the rows in, and
a sequence leaves as soon as its last row has come. So sequences of adjacent rows are held one at a time, however large
the table; of mixed ones all that have begun are held, within `InputSpec.max_bytes`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import Example, InputSpec

Id = int | str
_DAY = np.timedelta64(1, "D").astype("m8[ns]")
_WHOLE = ""  # id of the one sequence of a table without ids


class Grouped(NamedTuple):
    """Which sequence each of some rows belongs to.

    Attributes:
        ids: of the sequences.
        code: [n], index in `ids`.
    """

    ids: list[Id]
    code: NDArray[np.intp]

    def groups(self) -> Iterator[tuple[Id, NDArray[np.intp]]]:
        """Each sequence, and which of the rows are its own, in the order of the first ones."""
        order = self.code.argsort(kind="stable")
        starts = np.flatnonzero(np.diff(self.code[order], prepend=-1))
        parts = np.split(order, starts[1:])
        for rows in sorted(parts, key=lambda rows: int(rows[0])):
            yield self.ids[self.code[rows[0]]], rows


class Batch(NamedTuple):
    """Rows of a table, each a sample.

    Attributes:
        grouped: which sequence each belongs to; None: all belong to one.
        x: [n, F].
        time: [n], numbers or durations that order the rows of a sequence; None: the rows are in order.
        carried: a column's values [n] each; that of the times is the first.
    """

    grouped: Grouped | None
    x: NDArray[np.float32]
    time: NDArray[Any] | None = None
    carried: tuple[NDArray[Any], ...] = ()


def last_rows(batches: Iterable[Grouped]) -> dict[Id, int]:
    """The last row of each sequence."""
    found, first = dict[Id, int](), 0
    for batch in batches:
        last = np.full(len(batch.ids), -1)
        np.maximum.at(last, batch.code, np.arange(len(batch.code)))
        found |= {id: first + row for id, row in zip(batch.ids, last.tolist(), strict=True) if row >= 0}
        first += len(batch.code)
    return found


def gather(batches: Iterable[Batch], last: Mapping[Id, int] | None, spec: InputSpec) -> Iterator[Example]:
    """The sequences, in the order of their first rows.

    Args:
        last: of each sequence the last row, as `last_rows` finds them; None: all rows are of one.

    Raises:
        ShapeError: two rows of a sequence have the same time.
        TooLargeError: more than `spec.max_bytes` of samples would be held.
    """
    begun, first = dict[Id, _Sequence](), 0
    for batch in batches:
        whole = Grouped([_WHOLE], np.zeros(len(batch.x), np.intp))
        for id, rows in (batch.grouped or whole).groups():
            begun.setdefault(id, _Sequence()).add(batch, rows, first)
            _check_held({id: begun[id]}, spec)
        first += len(batch.x)
        while last is not None and begun and last[id := next(iter(begun))] < first:
            yield begun.pop(id).example(id, spec)
        _check_held(begun, spec)
    for id, sequence in begun.items():
        yield sequence.example(id, spec)


def _check_held(begun: "Mapping[Id, _Sequence]", spec: InputSpec) -> None:
    if sum(sequence.nbytes for sequence in begun.values()) <= spec.max_bytes:
        return
    if len(begun) == 1:
        raise TooLargeError(f"sequence {next(iter(begun))!r:.100}: expected {spec.max_bytes} bytes at most")
    raise TooLargeError(
        f"sequences: expected {spec.max_bytes} bytes at most in sequences whose rows are mixed, got more in "
        f"{len(begun)} of them: sort the table by its sequences"
    )


class _Sequence:
    """The rows of a sequence that have come."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._x: list[NDArray[np.float32]] = []
        self._row: list[NDArray[np.int64]] = []
        self._time: list[NDArray[Any]] = []
        self._carried: list[tuple[NDArray[Any], ...]] = []

    def add(self, batch: Batch, rows: NDArray[np.intp], first: int) -> None:
        self._x.append(batch.x[rows])
        self._row.append(first + rows)
        self._carried.append(tuple(column[rows] for column in batch.carried))
        if batch.time is not None:
            self._time.append(batch.time[rows])
        self.nbytes += self._x[-1].nbytes

    def example(self, id: Id, spec: InputSpec) -> Example:
        x, row = np.concatenate(self._x), np.concatenate(self._row)
        carried = tuple(np.concatenate(parts) for parts in zip(*self._carried, strict=True))
        if self._time:
            order = _order(np.concatenate(self._time), row, carried[0], id, spec)
            x, row, carried = x[order], row[order], tuple(column[order] for column in carried)
        return Example(id if id != _WHOLE else None, x, row, carried)


def _order(
    time: NDArray[Any], row: NDArray[np.int64], values: NDArray[Any], id: Id, spec: InputSpec
) -> NDArray[np.intp]:
    """What sorts the rows by time. Raises ShapeError where two have the same one."""
    time = _past_midnight(time) if time.dtype.kind == "m" else time
    order = time.argsort(kind="stable")
    same = np.flatnonzero(time[order[1:]] == time[order[:-1]])
    if len(same):
        one, other = order[same[0]], order[same[0] + 1]
        raise ShapeError(
            f"{spec.time!s:.100}: expected each time once in a sequence, got {str(values[other])!r:.100} in rows "
            f"{row[one] + 1} and {row[other] + 1} of sequence {0 if id == _WHOLE else id!r:.100}"
        )
    return order


def unique(examples: Iterable[Example]) -> Iterator[Example]:
    """The same sequences. Raises ShapeError at the second one of an id: their scores could not be told apart."""
    seen = dict[tuple[type, Id | None], int]()
    for number, example in enumerate(examples):
        if seen.setdefault((type(example.id), example.id), number) != number:
            raise ShapeError(f"id: expected each id once, got {example.id!r:.100} again in sequence {number}")
        yield example


def _past_midnight(time: NDArray[Any]) -> NDArray[Any]:
    """Durations [N] in the order of their rows, of which those after midnight go on from the day before."""
    falls = np.diff(time, prepend=time[:1]) < -_DAY / 2
    return np.asarray(time + _DAY * np.cumsum(falls))
