"""A folder of the user's own recordings: CSV or Parquet files, one recording a file, one row a sample.

Every file has the same columns: one of them labels the row, the others are the channels of a sensor. A header such as
`ax [g]` names a channel and its unit; channels are found by these names (`skiprnn.channels`). A label may change within
a recording. What is taken and what is not is logged.
"""

import dataclasses
import logging
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np

from skiprnn.channels import Feature, feature_of
from skiprnn.data.files import digest, find_recordings, shown
from skiprnn.data.recordings import Recording
from skiprnn.data.spelling import merged, one_spelling
from skiprnn.data.split import Groups, hold_out, lacking
from skiprnn.data.table_file import Kind, TableFile, read_table_file

_INDEX = re.compile(r"Unnamed: \d+")  # of a column that a program wrote without a name
_CLOCKS = re.compile(
    r"t|ts|time|timestamp|epoch|elapsed|seconds|date|datetime|index|row|sample", re.IGNORECASE
)
_EPOCH = 1e8  # no sensor counts that far; seconds since 1970 do

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Tables:
    """What a folder holds: recordings, the group of each (a person, or the file), its path, features, class names."""

    recordings: tuple[Recording, ...]
    groups: tuple[str, ...]
    paths: tuple[Path, ...]
    features: tuple[Feature, ...]
    classes: tuple[str, ...]

    def split(self, share: float, seed: int) -> tuple[list[Recording], list[Recording]]:
        """Recordings to train and to test on. No group is in both, every class is; groups are held out until `share`.

        Raises:
            ValueError: fewer than two groups, or a class that one of the parts would lack; the message names it.
        """
        held_out = self.held_out(share, seed)
        train: list[Recording] = []
        test: list[Recording] = []
        for recording, group in zip(self.recordings, self.groups, strict=True):
            (test if group in held_out else train).append(recording)
        return train, test

    def held_out(self, share: float, seed: int) -> set[str]:
        """The groups that `split` tests on."""
        groups: dict[str, list[set[int]]] = {}
        for recording, group in zip(self.recordings, self.groups, strict=True):
            groups.setdefault(group, []).append(set(np.unique(recording.y).tolist()))
        held = hold_out(groups, share, seed)
        if missing := lacking(groups, held) | self._unseen(groups):
            raise ValueError(
                "expected every class in the training part and in the held-out part, got "
                f"{[self.classes[label] for label in sorted(missing)]} in one of them at most; record them in more "
                "groups (or files), or try another --seed"
            )
        return held

    def _unseen(self, groups: Groups) -> set[int]:
        """Classes of recordings that were left out."""
        seen = {label for recordings in groups.values() for labels in recordings for label in labels}
        return set(range(len(self.classes))) - seen

    def without_short(self, window: int) -> "Tables":
        """Without recordings far shorter than the window, or than most others: one would shorten the windows of all."""
        lengths = [len(recording.x) for recording in self.recordings]
        usual = min(window, int(np.median(lengths)))
        chosen = [index for index, length in enumerate(lengths) if 2 * length >= usual]
        if short := [f"{self.paths[i]} ({n})" for i, n in enumerate(lengths) if 2 * n < usual]:
            _log.info("left out, far shorter than %d samples: %s", usual, ", ".join(short))
        return dataclasses.replace(
            self,
            recordings=tuple(self.recordings[index] for index in chosen),
            groups=tuple(self.groups[index] for index in chosen),
            paths=tuple(self.paths[index] for index in chosen),
        )

    def identity(self, folder: Path, held_out: Collection[str]) -> dict[str, str]:
        """File → its part and its SHA-256: a run that is resumed must find the same."""
        parts = ["held out" if group in held_out else "trained on" for group in self.groups]
        names = [str(path.relative_to(folder)) for path in self.paths]
        return {
            name: f"{part} {digest(path)}" for name, part, path in zip(names, parts, self.paths, strict=True)
        }


def read_tables(folder: Path, *, label: str, group: str | None = None, columns: Sequence[str] = ()) -> Tables:
    """Read every CSV and Parquet file of a folder and of the folders in it.

    Args:
        label: the column that names a row's class.
        group: the column that names whose recording it is; None makes every file a group.
        columns: the channels; empty takes all others that hold numbers, but for clocks.

    Raises:
        ValueError: no file; a column is missing; a value is missing or not a number. The message names the file.
    """
    others = [label, *([group] if group else [])]
    files = [read_table_file(path, others) for path in find_recordings(folder)]
    for file in files:
        if missing := [name for name in others if name not in file.names]:
            raise file.lacks(missing)
    features = _named(files[0], columns) if columns else _channels(files, others)
    samples = [file.samples(features) for file in files]
    labels, classes = _classes([file.texts(label) for file in files], label)
    return Tables(
        tuple(Recording(x, y) for x, y in zip(samples, labels, strict=True)),
        tuple(_groups(files, group) if group else (str(file.path) for file in files)),
        tuple(file.path for file in files),
        tuple(features),
        classes,
    )


def _named(file: TableFile, columns: Sequence[str]) -> list[Feature]:
    """The channels that were asked for, as the file's header has them."""
    found = {column: file.column(feature_of(column)) for column in columns}
    if missing := [column for column, name in found.items() if name is None]:
        raise file.lacks(missing)
    return [feature_of(str(name)) for name in found.values()]


def _channels(files: Sequence[TableFile], others: Collection[str]) -> list[Feature]:
    """Columns of the first file that hold numbers in every file, but for clocks."""
    first = files[0]
    reasons = {name: _reason(files, name) for name in first.names if name not in others}
    taken = [name for name, reason in reasons.items() if not reason]
    left = [f"{name} ({reason})" for name, reason in reasons.items() if reason]
    known = [feature_of(name).name for name in first.names]
    more = {name for file in files for name in file.names if feature_of(name).name not in known}
    left += [f"{name} (not in {first.path.name})" for name in sorted(more)]
    if not taken:
        raise ValueError(
            f"{first.path}: expected columns of numbers beside {list(others)}, found none; left out: {shown(left)}"
        )
    _log.info("channels: %s", ", ".join(taken))
    if left:
        _log.info("left out: %s; --override columns=… names the channels", ", ".join(left))
    return [feature_of(name) for name in taken]


def _reason(files: Sequence[TableFile], name: str) -> str:
    """Why a column is no channel; empty: it is one.

    Raises:
        ValueError: it holds numbers in some cells and words in others.
    """
    if _INDEX.fullmatch(name):
        return "without a name"
    found = [(file, column) for file in files if (column := file.column(feature_of(name))) is not None]
    kinds = [file.kind(column) for file, column in found]
    if Kind.TIMES in kinds:
        return Kind.TIMES
    for (file, column), kind in zip(found, kinds, strict=True):
        if kind is Kind.MIXED or (kind is Kind.WORDS and Kind.NUMBERS in kinds):
            raise file.odd_cell(column)
    if Kind.NUMBERS not in kinds:
        return Kind.WORDS if Kind.WORDS in kinds else Kind.EMPTY
    return "a clock" if all(_is_clock(file, column) for file, column in found) else ""


def _is_clock(file: TableFile, name: str) -> bool:
    """Seconds since 1970, or a column of such a name that always grows."""
    values = file.floats(name)
    steps = np.diff(values)
    if (values >= _EPOCH).all() and (steps >= 0).all() and values[-1] > values[0]:
        return True
    return _CLOCKS.fullmatch(feature_of(name).name) is not None and bool((steps > 0).all())


def _classes(texts: Sequence[Sequence[str]], label: str) -> tuple[list["np.ndarray"], tuple[str, ...]]:
    """The class of every row, [T] a recording, and the names of the classes."""
    spelling = _one_spelling((text for file in texts for text in file), label)
    classes = sorted(set(spelling.values()))
    index = {text: classes.index(name) for text, name in spelling.items()}
    return [np.array([index[text] for text in file], np.int64) for file in texts], tuple(classes)


def _groups(files: Sequence[TableFile], group: str) -> list[str]:
    texts = [file.texts(group) for file in files]
    spelling = _one_spelling((text for file in texts for text in file), group)
    for file, found in zip(files, texts, strict=True):
        other = next((row for row, text in enumerate(found) if spelling[text] != spelling[found[0]]), None)
        if other is not None:
            raise ValueError(
                f"{file.path}: expected rows of one group, got {found[0]!r} in row 1 and {found[other]!r} in row "
                f"{other + 1} of {group!r}; write a file for each"
            )
    return [spelling[found[0]] for found in texts]


def _one_spelling(texts: Iterable[str], column: str) -> dict[str, str]:
    spelling = one_spelling(set(texts))
    if changed := merged(spelling):
        _log.info("in the column %r, %s", column, shown(changed))
    if len({name.casefold() for name in spelling.values()}) < len(set(spelling.values())):
        _log.warning("warning: the column %r has names that differ in case alone", column)
    return spelling
