"""What the user's recordings are to teach: columns of labels → classes, values or labels, of a recording or a sample.

    one class      a column of words or whole numbers
    regression     one column of numbers, or several
    multi-label    several columns of 0 and 1, or a column of names between `;` or `|`

What is the same in every row of a recording is about the recording, else about the sample. What was understood is
logged.
"""

import dataclasses
import logging
import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skiprnn.channels import Feature, feature_of
from skiprnn.data import summary
from skiprnn.data.files import shown
from skiprnn.data.groups import spelling_of
from skiprnn.data.recordings import Recording
from skiprnn.data.types import Signal
from skiprnn.metrics import Metric, balanced_accuracy, mean_average_precision, r_squared
from skiprnn.numerals import parse_number

MISSING_LABELS = ("error", "ignore")  # what becomes of samples without a label
FEW_RECORDINGS = 5  # of a class: below, one of them more or less moves its figures by a fifth

_LINES = 20  # of classes, labels or values that are printed
_MANY_CLASSES = 20  # of whole numbers: more are likely to be values
_SEPARATOR = re.compile(r"[;|]")
_METRICS = {
    "class": Metric("balanced_accuracy", balanced_accuracy, is_share=True),
    "regression": Metric("r2", r_squared),
    "multi-label": Metric("mean_average_precision", mean_average_precision, is_share=True),
}

_log = logging.getLogger(__name__)


class TargetKind(StrEnum):
    """What is learned; auto: what the columns look like."""

    AUTO = "auto"
    CLASS = "class"
    REGRESSION = "regression"
    MULTI_LABEL = "multi-label"


class Labelled(Protocol):
    """A recording, and what its table says of each of its samples; a cell that is empty is "" or NaN."""

    @property
    def name(self) -> str: ...
    @property
    def x(self) -> Signal: ...
    def texts(self, column: str, /) -> list[str]: ...
    def floats(self, column: str, /) -> NDArray[np.float64]: ...
    def parsed(self, text: str, /) -> float | None:
        """The number that a text is, by its file's decimal mark; None: it is none."""

    def row(self, index: int, /) -> int:
        """The row of its file, the first is 1, that held at a sample."""


@dataclasses.dataclass(frozen=True)
class Targets:
    """What every recording is to teach.

    Attributes:
        kind: of all but auto.
        per_step: a sample has a target of its own; else the recording has one.
        names: classes or labels; empty for a regression.
        values: of a regression, name and unit of each.
        y: of each recording, classes [T], or values or labels [T, K].
        labelled: [T] of each recording, whether a sample has a target.
    """

    kind: TargetKind
    per_step: bool
    names: tuple[str, ...]
    values: tuple[Feature, ...]
    y: tuple[NDArray[Any], ...]
    labelled: tuple[NDArray[np.bool_], ...]

    @property
    def metric(self) -> Metric:
        return _METRICS[self.kind]

    @property
    def network(self) -> dict[str, Any]:
        """The fields of NetworkConfig that targets decide."""
        what = "regression" if self.kind is TargetKind.REGRESSION else "classification"
        return {
            "output_size": len(self.names or self.values),
            "task": f"{'step' if self.per_step else 'sequence'}_{what}",
            "multi_label": self.kind is TargetKind.MULTI_LABEL,
            "classes": self.names,
            "targets": self.values,
        }

    @property
    def classes(self) -> list[set[int]]:
        """Of every recording the classes that occur in it, or the labels that hold; empty sets for a regression."""
        return [self._classes(number) for number in range(len(self.y))]

    def _classes(self, number: int) -> set[int]:
        y = self.y[number][self.labelled[number]]
        if self.kind is TargetKind.REGRESSION:
            return set()
        return set(
            (np.unique(y) if self.kind is TargetKind.CLASS else np.flatnonzero(y.any(axis=0))).tolist()
        )

    def recording(self, number: int, x: Signal) -> Recording:
        """A recording to train or to test on."""
        labelled = self.labelled[number]
        return Recording(x, self.y[number], None if labelled.all() else labelled.astype(np.float32))

    def between(self, start: int, stop: int) -> "Targets":
        """Those of some of the samples."""
        y, labelled = (tuple(one[start:stop] for one in part) for part in (self.y, self.labelled))
        return dataclasses.replace(self, y=y, labelled=labelled)

    def only(self, numbers: Sequence[int]) -> "Targets":
        """Those of some of the recordings."""
        y, labelled = (tuple(part[number] for number in numbers) for part in (self.y, self.labelled))
        return dataclasses.replace(self, y=y, labelled=labelled)

    def scale(self, recordings: Sequence[Recording]) -> tuple[Tensor | None, Tensor | None]:
        """Mean and standard deviation [K] of the values of a regression, of those recordings; None of other targets.

        Sums are float64. A recording's own value counts once, whatever its length. A value that never changes gets a
        standard deviation of 1.
        """
        if self.kind is not TargetKind.REGRESSION:
            return None, None
        rows = [one.y if one.weights is None else one.y[one.weights > 0] for one in recordings]
        rows = rows if self.per_step else [row[-1:] for row in rows]
        y = np.concatenate(rows).astype(np.float64)
        std = np.where(y.max(axis=0) == y.min(axis=0), 1, y.std(axis=0))
        return torch.from_numpy(y.mean(axis=0).astype(np.float32)), torch.from_numpy(std.astype(np.float32))

    def few(self, sources: Sequence[str]) -> str:
        """Which classes or labels have few held-out recordings, a sentence; empty: none. These are the held-out ones.

        Args:
            sources: of every recording, the one that it was cut from: its parts count once.
        """
        occur = {
            (label, source) for source, found in zip(sources, self.classes, strict=True) for label in found
        }
        counts = Counter(label for label, _ in sorted(occur))
        rare = {self.names[label]: count for label, count in counts.items() if count < FEW_RECORDINGS}
        if not rare:
            return ""
        listed = [
            f"{name!r} has {summary.counted(count, 'held-out recording')}" for name, count in rare.items()
        ]
        return f"{shown(listed)}: figures of so few are rough"


def decode(
    recordings: Sequence[Labelled], columns: Sequence[str], kind: TargetKind, *, ignore_missing: bool
) -> Targets:
    """Decode the columns of labels.

    Args:
        columns: one, or several.
        kind: what to make of them; auto tells by what they hold.
        ignore_missing: a sample without a label does not count; else it is an error.

    Raises:
        ValueError: a cell is not what the kind expects, or is empty; the message names the recording and the way out.
    """
    kind = _kind(recordings, columns) if kind is TargetKind.AUTO else kind
    if kind is TargetKind.REGRESSION:
        targets = _values(recordings, columns)
    elif kind is TargetKind.MULTI_LABEL:
        targets = _labels(recordings, columns)
    else:
        targets = _classes(recordings, columns)
    if not ignore_missing:
        _check_all_labelled(recordings, targets, columns)
    for number, line in enumerate(_summary(targets, columns)):
        _log.info("%s", summary.entry("" if number else "target", line))
    return targets


def _kind(recordings: Sequence[Labelled], columns: Sequence[str]) -> TargetKind:
    """One column: classes. Several: labels where all are 0 and 1, else values."""
    if len(columns) == 1:
        _check_no_fractions(recordings, columns[0])
        return TargetKind.CLASS
    cells = ((one, text) for one in recordings for column in columns for text in set(one.texts(column)))
    is_held = all(_key(one, text) in _HELD for one, text in cells)
    return TargetKind.MULTI_LABEL if is_held else TargetKind.REGRESSION


def _check_no_fractions(recordings: Sequence[Labelled], column: str) -> None:
    """Numbers with fractions are values: as classes, each would be one of its own."""
    fraction = None
    for recording in recordings:
        for text in dict.fromkeys(recording.texts(column)):
            number = recording.parsed(text)
            if number is None and text:
                return
            if fraction is None and number is not None and number % 1:
                fraction = f"{text.strip()} in {recording.name}"
    if fraction is not None:
        raise ValueError(
            f"{column!r}: expected classes, words or whole numbers, got {fraction}; target=regression "
            "predicts numbers, target=class takes each number as a class"
        )


def _classes(recordings: Sequence[Labelled], columns: Sequence[str]) -> Targets:
    if len(columns) != 1:
        raise ValueError(
            f"label: expected one column of classes, got {list(columns)}; target=multi-label takes columns "
            "of 0 and 1"
        )
    texts = [recording.texts(columns[0]) for recording in recordings]
    spelling = spelling_of((text for file in texts for text in file if text.strip()), columns[0])
    names = sorted(set(spelling.values()))
    index = {text: names.index(name) for text, name in spelling.items()}
    if len(names) < 2:
        way_out = (
            _way_out(names) or "; label=COLUMN names another, label_from=folder takes the folders as classes"
        )
        raise ValueError(f"expected two classes at least in {columns[0]!r}, got {names}{way_out}")
    if way_out := _way_out(names):
        _log.info("%s", summary.entry("target?", f"names in {columns[0]!r} hold separators{way_out}"))
    y = tuple(np.array([index.get(text, 0) for text in file], np.int64) for file in texts)
    labelled = tuple(np.array([bool(text.strip()) for text in file]) for file in texts)
    if len(names) > _MANY_CLASSES and all(parse_number(name) is not None for name in names):
        _log.warning(
            "warning: %d numbers in the column %r are taken as classes; target=regression predicts numbers",
            *(len(names), columns[0]),
        )
    return _targets(TargetKind.CLASS, y, labelled, names=names)


def _way_out(names: Sequence[str]) -> str:
    """Of classes that look like several labels each."""
    listed = any(_SEPARATOR.search(name) for name in names)
    return "; target=multi-label takes names between ';' or '|' as labels" if listed else ""


def _values(recordings: Sequence[Labelled], columns: Sequence[str]) -> Targets:
    rows = [stacked(recording, columns) for recording in recordings]
    labelled = tuple(map(_present, rows))
    y = tuple(np.nan_to_num(values).astype(np.float32) for values in rows)
    return _targets(TargetKind.REGRESSION, y, labelled, values=[feature_of(column) for column in columns])


def _labels(recordings: Sequence[Labelled], columns: Sequence[str]) -> Targets:
    if len(columns) == 1:
        return _listed_labels(recordings, columns[0])
    rows = [held(recording, columns) for recording in recordings]
    labelled = tuple(map(_present, rows))
    y = tuple(np.nan_to_num(values).astype(np.float32) for values in rows)
    return _targets(
        TargetKind.MULTI_LABEL, y, labelled, names=[feature_of(column).name for column in columns]
    )


def held(recording: Labelled, columns: Sequence[str]) -> NDArray[np.float64]:
    """0 or 1 where a label holds or not at a sample, [T, K]; NaN where the cell is empty."""
    holds = np.empty((len(recording.x), len(columns)))
    for index, column in enumerate(columns):
        for row, text in enumerate(recording.texts(column)):
            if (key := _key(recording, text)) not in _HELD:
                raise ValueError(
                    f"{recording.name}: expected 0 or 1 in row {recording.row(row)} of {column!r}, got {text!r}; "
                    "target=regression predicts numbers"
                )
            holds[row, index] = _HELD[key]
    return holds


_HELD = {"": np.nan, "0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}


def _key(recording: Labelled, text: str) -> str:
    """`1.0` and `01` are 1."""
    number = recording.parsed(text)
    return text.strip().casefold() if number is None else f"{number:g}"


def _listed_labels(recordings: Sequence[Labelled], column: str) -> Targets:
    """Names between separators; an empty cell: none of them holds."""
    cells = [[names_in(text) for text in recording.texts(column)] for recording in recordings]
    spelling = spelling_of((name for file in cells for cell in file for name in cell), column)
    names = sorted(set(spelling.values()))
    if not names:
        raise ValueError(f"{column!r}: expected names of labels between ';' or '|', found none")
    index = {text: names.index(name) for text, name in spelling.items()}
    y = []
    for file in cells:
        holds = np.zeros((len(file), len(names)), np.float32)
        for row, cell in enumerate(file):
            holds[row, [index[name] for name in cell]] = 1
        y.append(holds)
    return _targets(
        TargetKind.MULTI_LABEL, tuple(y), tuple(np.ones(len(one), np.bool_) for one in y), names=names
    )


def names_in(cell: str) -> list[str]:
    """The names between separators."""
    return [name for name in _SEPARATOR.split(cell) if name.strip()]


def stacked(recording: Labelled, columns: Sequence[str]) -> NDArray[np.float64]:
    """Values at each sample, [T, K]; NaN where the cell is empty."""
    return np.stack([recording.floats(column) for column in columns], axis=1)


def _present(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether all values of a row [T, K] are there."""
    return np.asarray(np.isfinite(values).all(axis=1), np.bool_)


def _targets(
    kind: TargetKind,
    y: tuple[NDArray[Any], ...],
    labelled: tuple[NDArray[np.bool_], ...],
    *,
    names: Sequence[str] = (),
    values: Sequence[Feature] = (),
) -> Targets:
    constant = all(have.all() and (one == one[0]).all() for one, have in zip(y, labelled, strict=True))
    return Targets(kind, not constant, tuple(names), tuple(values), y, labelled)


def _check_all_labelled(recordings: Sequence[Labelled], targets: Targets, columns: Sequence[str]) -> None:
    for recording, labelled in zip(recordings, targets.labelled, strict=True):
        if not labelled.all():
            row = recording.row(int(labelled.argmin()))
            raise ValueError(
                f"{recording.name}: expected a value in row {row} of {' and '.join(map(repr, columns))}, found none; "
                "missing_labels=ignore leaves such samples out of the loss"
            )


def _summary(targets: Targets, columns: Sequence[str]) -> list[str]:
    """What was understood: a line about the kind, and one about every class, label or value."""
    whom = "a sample" if targets.per_step else "a recording"
    what = {
        TargetKind.CLASS: f"one class {whom}",
        TargetKind.REGRESSION: f"{summary.counted(len(targets.values), 'number')} {whom} (target=regression)",
        TargetKind.MULTI_LABEL: f"any of {summary.counted(len(targets.names), 'label')} {whom} (target=multi-label)",
    }[targets.kind]
    missing = sum(int((~labelled).sum()) for labelled in targets.labelled)
    without = (
        f"; {summary.counted(missing, 'sample')} without a label left out of the loss" if missing else ""
    )
    contents = _contents(targets)
    more = [f"and {len(contents) - _LINES} more"] if len(contents) > _LINES else []
    return [f"{', '.join(map(repr, columns))}: {what}{without}", *contents[:_LINES], *more]


def _contents(targets: Targets) -> list[str]:
    kept = [y[labelled] for y, labelled in zip(targets.y, targets.labelled, strict=True)]
    if targets.kind is TargetKind.REGRESSION:
        values = np.concatenate(kept) if any(map(len, kept)) else np.zeros((1, len(targets.values)))
        bounds = zip(targets.values, values.min(axis=0), values.max(axis=0), strict=True)
        return [f"{value}  {low:g} to {high:g}" for value, low, high in bounds]
    holds = [_holds(targets, y) for y in kept]
    samples, recordings = sum(one.sum(axis=0) for one in holds), sum(one.any(axis=0) for one in holds)
    counts = zip(targets.names, np.atleast_1d(samples), np.atleast_1d(recordings), strict=True)
    return summary.classes({name: (int(some), int(whole)) for name, some, whole in counts})


def _holds(targets: Targets, y: NDArray[Any]) -> NDArray[np.int64]:
    """Which classes or labels hold at each sample, [T, K]."""
    if targets.kind is TargetKind.MULTI_LABEL:
        return y.astype(np.int64)
    return np.asarray(y[:, np.newaxis] == np.arange(len(targets.names)), np.int64)
