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
from skiprnn.data.files import shown
from skiprnn.data.recordings import Recording
from skiprnn.data.spelling import merged, one_spelling
from skiprnn.data.types import Signal
from skiprnn.metrics import Metric, balanced_accuracy, mean_average_precision, r_squared
from skiprnn.numerals import parse_number

FEW_RECORDINGS = 5  # of a class: below, one of them more or less moves its figures by a fifth

_MANY_CLASSES = 20  # of whole numbers: more are likely to be values
_SEPARATOR = re.compile(r"[;|]")
_METRICS = {
    "class": Metric("balanced_accuracy", balanced_accuracy),
    "regression": Metric("r2", r_squared),
    "multi-label": Metric("mean_average_precision", mean_average_precision),
}

_log = logging.getLogger(__name__)


class Kind(StrEnum):
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
    def texts(self, column: str) -> list[str]: ...
    def floats(self, column: str) -> NDArray[np.float64]: ...


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

    kind: Kind
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
        what = "regression" if self.kind is Kind.REGRESSION else "classification"
        return {
            "output_size": len(self.names or self.values),
            "task": f"{'step' if self.per_step else 'sequence'}_{what}",
            "multi_label": self.kind is Kind.MULTI_LABEL,
            "classes": self.names,
            "targets": self.values,
        }

    @property
    def classes(self) -> list[set[int]]:
        """Of every recording the classes that occur in it, or the labels that hold; empty sets for a regression."""
        return [self._classes(number) for number in range(len(self.y))]

    def _classes(self, number: int) -> set[int]:
        y = self.y[number][self.labelled[number]]
        if self.kind is Kind.REGRESSION:
            return set()
        return set((np.unique(y) if self.kind is Kind.CLASS else np.flatnonzero(y.any(axis=0))).tolist())

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
        if self.kind is not Kind.REGRESSION:
            return None, None
        rows = [one.y if one.weights is None else one.y[one.weights > 0] for one in recordings]
        rows = rows if self.per_step else [row[-1:] for row in rows]
        y = np.concatenate(rows).astype(np.float64)
        std = np.where(y.max(axis=0) == y.min(axis=0), 1, y.std(axis=0))
        return torch.from_numpy(y.mean(axis=0).astype(np.float32)), torch.from_numpy(std.astype(np.float32))

    def few(self, parts: Sequence[str]) -> list[str]:
        """Classes or labels of few recordings, a sentence each.

        Args:
            parts: of every recording, the one that it was cut from: its parts count once.
        """
        counts = Counter(
            label
            for label, _ in {
                (label, part) for part, found in zip(parts, self.classes, strict=True) for label in found
            }
        )
        what = "label" if self.kind is Kind.MULTI_LABEL else "class"
        return [
            f"{what} {self.names[label]!r} has {_counted(count, 'recording')}: its figures are rough"
            for label, count in sorted(counts.items())
            if count < FEW_RECORDINGS
        ]


def decode(
    recordings: Sequence[Labelled], columns: Sequence[str], kind: Kind, *, ignore_missing: bool
) -> Targets:
    """Decode the columns of labels.

    Args:
        columns: one, or several.
        kind: what to make of them; auto tells by what they hold.
        ignore_missing: a sample without a label does not count; else it is an error.

    Raises:
        ValueError: a cell is not what the kind expects, or is empty; the message names the recording and the way out.
    """
    kind = _kind(recordings, columns) if kind is Kind.AUTO else kind
    decoder = {Kind.CLASS: _classes, Kind.REGRESSION: _values, Kind.MULTI_LABEL: _labels}[kind]
    targets = decoder(recordings, columns)
    if not ignore_missing:
        _check_all_labelled(recordings, targets, columns)
    _log.info("%s", _summary(targets, columns))
    return targets


def _kind(recordings: Sequence[Labelled], columns: Sequence[str]) -> Kind:
    """One column: classes. Several: labels where all are 0 and 1, else values."""
    if len(columns) == 1:
        _check_no_fractions(recordings, columns[0])
        return Kind.CLASS
    values = [recording.floats(column) for recording in recordings for column in columns]
    zeros_and_ones = all(np.isin(value[~np.isnan(value)], (0, 1)).all() for value in values)
    return Kind.MULTI_LABEL if zeros_and_ones else Kind.REGRESSION


def _check_no_fractions(recordings: Sequence[Labelled], column: str) -> None:
    """Numbers with fractions are values: as classes, each would be one of its own."""
    fraction = None
    for recording in recordings:
        for text in set(recording.texts(column)) - {""}:
            if (number := parse_number(text.strip().replace(",", "."))) is None:
                return
            if fraction is None and number % 1:
                fraction = f"{text.strip()} in {recording.name}"
    if fraction is not None:
        raise ValueError(
            f"{column!r}: expected classes, words or whole numbers, got {fraction}; --override target=regression "
            "predicts numbers, --override target=class takes each number as a class"
        )


def _classes(recordings: Sequence[Labelled], columns: Sequence[str]) -> Targets:
    if len(columns) != 1:
        raise ValueError(f"label: expected one column of classes, got {list(columns)}")
    texts = [recording.texts(columns[0]) for recording in recordings]
    spelling = _one_spelling({text for file in texts for text in file if text.strip()}, columns[0])
    names = sorted(set(spelling.values()))
    index = {text: names.index(name) for text, name in spelling.items()}
    y = tuple(np.array([index.get(text, 0) for text in file], np.int64) for file in texts)
    labelled = tuple(np.array([bool(text.strip()) for text in file]) for file in texts)
    if len(names) > _MANY_CLASSES and all(parse_number(name) is not None for name in names):
        _log.warning(
            "warning: %d numbers in the column %r are taken as classes; --override target=regression predicts numbers",
            *(len(names), columns[0]),
        )
    return _targets(Kind.CLASS, y, labelled, names=names)


def _values(recordings: Sequence[Labelled], columns: Sequence[str]) -> Targets:
    stacked = [_stacked(recording, columns) for recording in recordings]
    labelled = tuple(map(_present, stacked))
    y = tuple(np.nan_to_num(values).astype(np.float32) for values in stacked)
    return _targets(Kind.REGRESSION, y, labelled, values=[feature_of(column) for column in columns])


def _labels(recordings: Sequence[Labelled], columns: Sequence[str]) -> Targets:
    if len(columns) == 1:
        return _listed_labels(recordings, columns[0])
    stacked = [_stacked(recording, columns) for recording in recordings]
    for recording, values in zip(recordings, stacked, strict=True):
        odd = ~np.isnan(values) & ~np.isin(values, (0, 1))
        if odd.any():
            row, column = np.argwhere(odd)[0]
            raise ValueError(
                f"{recording.name}: expected 0 or 1 in {columns[column]!r}, got {values[row, column]:g} at sample "
                f"{row}; --override target=regression predicts numbers"
            )
    labelled = tuple(map(_present, stacked))
    y = tuple(np.nan_to_num(values).astype(np.float32) for values in stacked)
    return _targets(Kind.MULTI_LABEL, y, labelled, names=[feature_of(column).name for column in columns])


def _listed_labels(recordings: Sequence[Labelled], column: str) -> Targets:
    """Names between separators; an empty cell: none of them holds."""
    cells = [[_names_in(text) for text in recording.texts(column)] for recording in recordings]
    spelling = _one_spelling({name for file in cells for cell in file for name in cell}, column)
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
    return _targets(Kind.MULTI_LABEL, tuple(y), tuple(np.ones(len(one), np.bool_) for one in y), names=names)


def _names_in(cell: str) -> list[str]:
    return [name for name in _SEPARATOR.split(cell) if name.strip()]


def _stacked(recording: Labelled, columns: Sequence[str]) -> NDArray[np.float64]:
    return np.stack([recording.floats(column) for column in columns], axis=1)


def _present(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether all values of a row [T, K] are there."""
    return np.asarray(np.isfinite(values).all(axis=1), np.bool_)


def _one_spelling(texts: set[str], column: str) -> dict[str, str]:
    spelling = one_spelling(texts)
    if changed := merged(spelling):
        _log.info("in the column %r, %s", column, shown(changed))
    if len({name.casefold() for name in spelling.values()}) < len(set(spelling.values())):
        _log.warning("warning: the column %r has names that differ in case alone", column)
    return spelling


def _targets(
    kind: Kind,
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
            where = f"{' or '.join(map(repr, columns))} at sample {int(labelled.argmin())}"
            raise ValueError(
                f"{recording.name}: expected a label at every sample, found none in {where}; "
                "--override missing_labels=ignore leaves such samples out of the loss"
            )


def _summary(targets: Targets, columns: Sequence[str]) -> str:
    """What was understood, in a line."""
    whom = "a sample" if targets.per_step else "a recording"
    if targets.kind is Kind.REGRESSION:
        what = f"{_counted(len(targets.values), 'value')} {whom} (regression): {shown([*map(str, targets.values)])}"
    elif targets.kind is Kind.MULTI_LABEL:
        what = f"any of {len(targets.names)} labels {whom} (multi-label): {shown(targets.names)}"
    else:
        what = f"one of {len(targets.names)} classes {whom}: {shown(targets.names)}"
    missing = sum(int((~labelled).sum()) for labelled in targets.labelled)
    without = f"; {missing:,} samples without a label do not count" if missing else ""
    return f"target {', '.join(columns)}: {what}{without}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
