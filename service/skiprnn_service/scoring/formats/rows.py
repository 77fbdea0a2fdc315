"""The rows of an output: the same columns in every format (the table is in docs/reference/rest.md).

    per sequence    id, samples, update_count     after its last sample
    per update      id, row, t                    after the update
    per sample      id, row, t, updated           what held after the sample; in the order of the rows of the file

Beside them stand the columns that are carried through, each with its value at that sample, `label`, `event` where the
network has events, a column an output and `y`.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_export import EventDetector
from skiprnn_service.errors import ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import OutputSpec, Rows, Scored, Writer

EVENT = "event"  # reserved only where there are events
RESERVED = frozenset(  # names that no output and no carried column has
    ["id", "file", "row", "t", "updated", "samples", "update_count", "label", "y", "updates", "update_y"]
)
SEPARATOR = ";"  # between the labels, or the events, of one row

_ROWS = 65_536  # that are written at a time


def output_columns(names: Sequence[str], reserved: Set[str] = RESERVED) -> list[str]:
    """Columns of outputs: their names on one line; a reserved or empty one after `y_`, equal ones numbered."""
    found: list[str] = []
    for name in names:
        plain = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in name).split())
        column = plain if plain and plain not in reserved else f"y_{plain}"
        number = 2
        while column in found:
            column, number = f"{plain}_{number}", number + 1
        found.append(column)
    return found


def carried_columns(names: Sequence[str], outputs: Sequence[str], reserved: Set[str] = RESERVED) -> list[str]:
    """Columns that are carried through: one whose name is taken becomes `input_NAME`. Raises ShapeError."""
    taken = {*reserved, *outputs} - {"file"}
    found = [f"input_{name}" if name in taken else name for name in names]
    for name in found:
        if found.count(name) > 1 or name in taken:
            raise ShapeError(f"carry: expected each column once, got {name!r:.100} twice: rename one")
    return found


def labels(y: NDArray[np.float32], names: Sequence[str], *, multi_label: bool) -> list[str]:
    """Of outputs [n, K]: the most probable class, the first of equal ones; or all classes at 0.5 and above."""
    if not multi_label:
        return [names[k] for k in y.argmax(axis=1).tolist()]
    return [SEPARATOR.join(names[k] for k in np.flatnonzero(row >= 0.5).tolist()) for row in y]


class RowWriter:
    """Writes scores as rows.

    Args:
        open_writer: of the format, given the names that the columns will have.
    """

    def __init__(self, open_writer: Callable[[OutputSpec], Writer], spec: OutputSpec) -> None:
        reserved = RESERVED | {EVENT} if spec.events else RESERVED
        self._outputs = output_columns(spec.outputs, reserved)
        self._carried = carried_columns(spec.carried, self._outputs, reserved)
        self._detector = None if spec.events is None else EventDetector(spec.events, spec.outputs)
        types = {new: spec.types.get(name) for name, new in zip(spec.carried, self._carried, strict=True)}
        self._writer, self._spec = open_writer(spec._replace(types=types)), spec
        self._first = 0  # row of the next sequence, where sequences follow each other
        self._samples = _Samples(spec.max_bytes)

    def write(self, scored: Sequence[Scored]) -> None:
        """Write scores after those that were written."""
        scored = [self._alarmed(self._placed(one)) for one in scored]
        if self._spec.per == "sequence":
            self._writer.write(self._sequences(scored))
            return
        for sequences, points in self._points(scored):
            self._writer.write(self._rows_of(sequences, points))

    def next_file(self) -> None:
        """The scores that follow are of another file, whose rows are numbered from 0."""
        self._first, self._samples = 0, _Samples(self._spec.max_bytes)

    def close(self) -> None:
        """Write the end."""
        self._writer.close()

    def _placed(self, one: Scored) -> Scored:
        """With its rows, which a file of whole sequences does not number."""
        if one.row is not None or self._spec.per == "sequence":
            return one
        self._first += one.score.samples
        return one._replace(row=np.arange(self._first - one.score.samples, self._first))

    def _alarmed(self, one: Scored) -> Scored:
        if self._detector is None:
            return one
        alarms, _ = self._detector.detect(self._detector.start(), one.score.t, one.score.y)
        return one._replace(alarms=alarms)

    def _sequences(self, scored: Sequence[Scored]) -> Rows:
        scores = [one.score for one in scored]
        own = {
            "id": [one.id for one in scored],
            "samples": np.array([score.samples for score in scores]),
            "update_count": np.array([len(score.t) for score in scores]),
        }
        points = _Points(np.arange(len(scored)), np.array([score.samples - 1 for score in scores]))
        y, names = np.stack([score.y[-1] for score in scores]), self._spec.outputs
        events = [SEPARATOR.join(names[alarm.label] for alarm in one.alarms) for one in scored]
        return self._rows(own, scored, points, y, events)._replace(
            updates=scores if self._spec.updates else None
        )

    def _points(self, scored: Sequence[Scored]) -> Iterator[tuple[Sequence[Scored], "_Points"]]:
        """The points of these sequences that are rows now, some at a time, and the sequences that they lie on."""
        if self._spec.per == "sample":
            yield from self._samples.ready(scored)
            return
        which = np.repeat(np.arange(len(scored)), [len(one.score.t) for one in scored])
        yield from (_used(scored, points) for points in _Points(which, _joined(scored)).slices())

    def _rows_of(self, scored: Sequence[Scored], points: "_Points") -> Rows:
        """A row a point: the output that holds there is that of the latest update."""
        which, t = points
        ends = np.cumsum([len(one.score.t) for one in scored])
        starts = np.array([0, *ends[:-1]])
        offset = _cumulated([one.score.samples for one in scored])
        at = (
            np.searchsorted(_joined(scored) + np.repeat(offset, ends - starts), t + offset[which], "right")
            - 1
        )
        own = {
            "id": [scored[i].id for i in which.tolist()],
            "row": _cat([one.row for one in scored if one.row is not None])[offset[which] + t],
            "t": t,
        }
        updated = _joined(scored)[at] == t
        if self._spec.per == "sample":
            own["updated"] = updated
        events = self._events(scored, np.where(updated, at, -1))
        return self._rows(own, scored, points, _cat([one.score.y for one in scored])[at], events)

    def _events(self, scored: Sequence[Scored], update: NDArray[np.int64]) -> list[str]:
        """The class of the alarm that each of these updates gave; they are counted through all sequences."""
        first, names = _cumulated([len(one.score.t) for one in scored]).tolist(), self._spec.outputs
        given = {
            offset + alarm.update: names[alarm.label]
            for offset, one in zip(first, scored, strict=True)
            for alarm in one.alarms
        }
        return [given.get(number, "") for number in update.tolist()] if self._detector else []

    def _rows(
        self,
        own: dict[str, Any],
        scored: Sequence[Scored],
        points: "_Points",
        y: NDArray[np.float32],
        events: list[str],
    ) -> Rows:
        spec, columns = self._spec, own
        for number, name in enumerate(self._carried):
            columns[name] = _at([one.carried[number] for one in scored], points)
        if spec.classes:
            columns["label"] = labels(y, spec.outputs, multi_label=spec.multi_label)
        if spec.events:
            columns[EVENT] = events
        return Rows(columns | {name: y[:, k] for k, name in enumerate(self._outputs)}, y)


class _Points(NamedTuple):
    """Samples: which of some sequences, and at which index in it."""

    which: NDArray[np.int64]  # [n]
    t: NDArray[np.int64]  # [n]

    def slices(self) -> Iterator["_Points"]:
        for begin in range(0, len(self.t), _ROWS):
            yield _Points(self.which[begin : begin + _ROWS], self.t[begin : begin + _ROWS])


class _Samples:
    """Puts the samples of sequences into the order of the rows of the file.

    A sequence whose rows stand between those of later ones waits for these.

    Args:
        max_bytes: of scores that may wait.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._waiting, self._next = max_bytes, list[Scored](), 0

    def ready(self, scored: Sequence[Scored]) -> Iterator[tuple[Sequence[Scored], _Points]]:
        """The samples that can be written now."""
        self._waiting += scored
        waiting = self._waiting
        which = np.repeat(np.arange(len(waiting)), [one.score.samples for one in waiting])
        t = np.concatenate([np.arange(one.score.samples) for one in waiting])
        row = np.concatenate([one.row for one in waiting if one.row is not None])
        order = row.argsort()
        order = order[row[order] >= self._next]
        gaps = np.flatnonzero(row[order] != self._next + np.arange(len(order)))
        order = order[: gaps[0]] if len(gaps) else order
        for points in _Points(which[order], t[order]).slices():
            yield _used(waiting, points)
        self._next += len(order)
        self._waiting = [one for one in waiting if one.row is not None and one.row.max() >= self._next]
        if sum(one.score.y.nbytes + one.score.samples * 8 for one in self._waiting) > self._max_bytes:
            raise TooLargeError(
                f"rows: expected rows of sequences that are not mixed over more than {self._max_bytes} bytes of "
                "scores: sort the table by its sequences, or take a row an update"
            )


def _used(scored: Sequence[Scored], points: _Points) -> tuple[Sequence[Scored], _Points]:
    """The sequences that have one of the points, alone."""
    used, which = np.unique(points.which, return_inverse=True)
    return [scored[i] for i in used.tolist()], _Points(which, points.t)


def _joined(scored: Sequence[Scored]) -> NDArray[np.int64]:
    return _cat([one.score.t for one in scored])


def _cat(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Not copied where there is one: it may be long."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _cumulated(counts: Sequence[int]) -> NDArray[np.int64]:
    """How many come before each."""
    return np.array([0, *np.cumsum(counts)[:-1]], np.int64)


def _at(values: Sequence[NDArray[Any]], points: _Points) -> NDArray[Any]:
    """The value of a carried column at each point."""
    starts, whole = _cumulated([len(one) for one in values]), np.array([len(one) == 1 for one in values])
    return _cat(values)[starts[points.which] + np.where(whole[points.which], 0, points.t)]
