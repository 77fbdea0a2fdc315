"""A folder of the user's own recordings: CSV or Parquet files, one recording a file, one row a sample.

Every file has the same columns: one of them labels the row, the others are the channels of a sensor. A header such as
`ax [g]` names a channel and its unit. A label may change within a recording.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skiprnn.data.recordings import Recording
from skiprnn.network import Feature

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".parquet")
_HEADER = re.compile(r"(?P<name>.*?)\s*(?:[\[(](?P<unit>[^\])]*)[\])])?\s*")


@dataclasses.dataclass(frozen=True)
class Tables:
    """What a folder holds: recordings, the group of each (a person, or the file), features and class names."""

    recordings: tuple[Recording, ...]
    groups: tuple[str, ...]
    features: tuple[Feature, ...]
    classes: tuple[str, ...]

    def split(self, share: float, seed: int) -> tuple[list[Recording], list[Recording]]:
        """Recordings to train and to test on. No group is in both; groups are held out until they are `share`.

        Raises:
            ValueError: fewer than two groups, or a class that only the test recordings have.
        """
        names = sorted(set(self.groups))
        if len(names) < 2:
            raise ValueError(
                f"expected recordings of at least two groups (or two files) to hold one out, got {names}"
            )
        shuffled = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
        held_out = _held_out(shuffled, self.groups, share)
        train: list[Recording] = []
        test: list[Recording] = []
        for recording, group in zip(self.recordings, self.groups, strict=True):
            (test if group in held_out else train).append(recording)
        seen = {int(label) for recording in train for label in np.unique(recording.y)}
        if missing := [name for label, name in enumerate(self.classes) if label not in seen]:
            raise ValueError(
                f"expected every class in the training part, got none of {missing}; another --seed?"
            )
        return train, test


def _held_out(names: Sequence[str], groups: Sequence[str], share: float) -> set[str]:
    held: set[str] = set()
    for name in names[:-1]:
        held.add(name)
        if sum(group in held for group in groups) >= share * len(groups):
            break
    return held


def read_tables(folder: Path, *, label: str, group: str | None = None, columns: Sequence[str] = ()) -> Tables:
    """Read every CSV and Parquet file of a folder and of the folders in it.

    Args:
        label: the column that names a row's class.
        group: the column that names whose recording it is; None makes every file a group.
        columns: the channels; empty takes all others that hold numbers.

    Raises:
        ValueError: no file; a column is missing; a value is missing or not a number. The message names the file.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise ValueError(f"{folder}: expected files ending in {' or '.join(_SUFFIXES)}, found none")
    frames = [_read(path) for path in paths]
    chosen = list(columns) or _channels(frames[0], {label, group})
    if not chosen:
        raise ValueError(f"{paths[0]}: expected columns of numbers beside {label!r}, found none")
    for path, frame in zip(paths, frames, strict=True):
        _check(path, frame, [*chosen, label, *([group] if group else [])])
    classes = sorted({str(value) for frame in frames for value in frame[label].unique()})
    recordings = [
        _recording(path, frame, chosen, label, classes) for path, frame in zip(paths, frames, strict=True)
    ]
    groups = [
        str(frame[group].iloc[0]) if group else str(path) for path, frame in zip(paths, frames, strict=True)
    ]
    return Tables(tuple(recordings), tuple(groups), tuple(_feature(name) for name in chosen), tuple(classes))


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)


def _channels(frame: "pd.DataFrame", others: set[str | None]) -> list[str]:
    return [name for name in frame.select_dtypes("number").columns if name not in others]


def _check(path: Path, frame: "pd.DataFrame", needed: Sequence[str]) -> None:
    if missing := [name for name in needed if name not in frame.columns]:
        raise ValueError(f"{path}: expected the columns {list(needed)}, found none named {missing}")
    if len(frame) < 2:
        raise ValueError(f"{path}: expected a recording of at least 2 samples, got {len(frame)}")
    gaps = frame[list(needed)].isna()
    if gaps.to_numpy().any():
        row, column = (int(index[0]) for index in gaps.to_numpy().nonzero())
        raise ValueError(f"{path}: expected a value in row {row + 1} of {needed[column]!r}, found none")


def _recording(
    path: Path, frame: "pd.DataFrame", channels: Sequence[str], label: str, classes: Sequence[str]
) -> Recording:
    try:
        x = frame[list(channels)].to_numpy(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected numbers in {list(channels)}: {error}") from error
    if not np.isfinite(x).all():
        raise ValueError(f"{path}: expected finite numbers in {list(channels)}")
    index = {name: number for number, name in enumerate(classes)}
    y = frame[label].map(lambda value: index[str(value)]).to_numpy(np.int64)
    return Recording(np.ascontiguousarray(x), y)


def _feature(header: str) -> Feature:
    """`ax [g]` or `ax (g)` → a feature with its unit."""
    match = _HEADER.fullmatch(header)
    return Feature(header) if match is None else Feature(match["name"], match["unit"] or "")
