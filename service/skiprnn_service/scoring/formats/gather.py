"""Brings the rows of each sequence together, wherever they stand in a table.

A first pass reads the column of the sequences alone and finds the last row of each. The second takes the rows in, and
a sequence leaves as soon as its last row has come. So sequences of adjacent rows are held one at a time, however large
the table; of mixed ones all that have begun are held, within `InputSpec.max_bytes`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import Example, InputSpec

Id = int | str
_DAY = np.timedelta64(1, "D").astype("m8[ns]")


class Grouped(NamedTuple):
    """Which sequence each of some rows belongs to.

    Attributes:
        ids: of the sequences; None: of the one sequence of a table without ids.
        code: [n], index in `ids`.
    """

    ids: Sequence[Id | None]
    code: NDArray[np.intp]

    def groups(self) -> Iterator[tuple[Id | None, NDArray[np.intp]]]:
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


def last_rows(batches: Iterable[Grouped]) -> dict[Id | None, int]:
    """The last row of each sequence."""
    found, first = dict[Id | None, int](), 0
    for batch in batches:
        last = np.full(len(batch.ids), -1)
        np.maximum.at(last, batch.code, np.arange(len(batch.code)))
        found |= {id: first + row for id, row in zip(batch.ids, last.tolist(), strict=True) if row >= 0}
        first += len(batch.code)
    return found


def gather(
    batches: Iterable[Batch], last: Mapping[Id | None, int] | None, spec: InputSpec
) -> Iterator[Example]:
    """The sequences, in the order of their first rows.

    Args:
        last: of each sequence the last row, as `last_rows` finds them; None: all rows are of one.

    Raises:
        ShapeError: two rows of a sequence have the same time.
        TooLargeError: more than `spec.max_bytes` of samples would be held.
    """
    begun, first, held = OrderedDict[Id | None, _Sequence](), 0, 0  # a dict is slow to find its first item
    for batch in batches:
        whole = Grouped([None], np.zeros(len(batch.x), np.intp))
        for id, rows in (batch.grouped or whole).groups():
            sequence = begun.setdefault(id, _Sequence())
            held += sequence.add(batch, rows, first)
            if sequence.nbytes > spec.max_bytes:
                raise TooLargeError(
                    f"sequence {0 if id is None else id!r:.100}: expected {spec.max_bytes} bytes at most"
                )
        first += len(batch.x)
        while last is not None and begun and last[id := next(iter(begun))] < first:
            sequence = begun.pop(id)
            held -= sequence.nbytes
            yield sequence.example(id, spec)
        if held > spec.max_bytes:
            raise TooLargeError(
                f"sequences: expected {spec.max_bytes} bytes at most in sequences whose rows are mixed, got more in "
                f"{len(begun)} of them: sort the table by its sequences"
            )
    for id, sequence in begun.items():
        yield sequence.example(id, spec)


class _Sequence:
    """The rows of a sequence that have come."""

    def __init__(self) -> None:
        self.nbytes = 0
        self._x: list[NDArray[np.float32]] = []
        self._row: list[NDArray[np.int64]] = []
        self._time: list[NDArray[Any]] = []
        self._carried: list[tuple[NDArray[Any], ...]] = []

    def add(self, batch: Batch, rows: NDArray[np.intp], first: int) -> int:
        """Take rows of a batch in; returns the bytes of their samples."""
        self._x.append(batch.x[rows])
        self._row.append(first + rows)
        self._carried.append(tuple(column[rows] for column in batch.carried))
        if batch.time is not None:
            self._time.append(batch.time[rows])
        self.nbytes += self._x[-1].nbytes
        return self._x[-1].nbytes

    def example(self, id: Id | None, spec: InputSpec) -> Example:
        x, row = np.concatenate(self._x), np.concatenate(self._row)
        carried = tuple(np.concatenate(parts) for parts in zip(*self._carried, strict=True))
        if self._time:
            order = _order(np.concatenate(self._time), row, carried[0], id, spec)
            x, row, carried = x[order], row[order], tuple(column[order] for column in carried)
        return Example(id, x, row, carried)


def _order(
    time: NDArray[Any], row: NDArray[np.int64], values: NDArray[Any], id: Id | None, spec: InputSpec
) -> NDArray[np.intp]:
    """What sorts the rows by time. Raises ShapeError where two have the same one."""
    time = _past_midnight(time) if time.dtype.kind == "m" else time
    order = time.argsort(kind="stable")
    same = np.flatnonzero(time[order[1:]] == time[order[:-1]])
    if len(same):
        one, other = order[same[0]], order[same[0] + 1]
        raise ShapeError(
            f"{spec.time!s:.100}: expected each time once in a sequence, got {str(values[other])!r:.100} in rows "
            f"{row[one] + 1} and {row[other] + 1} of sequence {0 if id is None else id!r:.100}"
        )
    return order


def unique(examples: Iterable[Example]) -> Iterator[Example]:
    """The same sequences. Raises ShapeError at the second one of an id: their scores could not be told apart.

    The ids 7 and "7" are one: a format of text writes the same of both.
    """
    seen = dict[str, int]()
    for number, example in enumerate(examples):
        if seen.setdefault(str(example.id), number) != number:
            raise ShapeError(
                f"id: expected each id once, got {example.id!r:.100} again in sequence {number} (as text)"
            )
        yield example


def _past_midnight(time: NDArray[Any]) -> NDArray[Any]:
    """Durations [N] in the order of their rows, of which those after midnight go on from the day before."""
    falls = np.diff(time, prepend=time[:1]) < -_DAY / 2
    return np.asarray(time + _DAY * np.cumsum(falls))
