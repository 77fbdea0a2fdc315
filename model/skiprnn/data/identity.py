"""Columns that say which recording, person or row a sample is of: no channels, though they may hold numbers."""

import re
from collections.abc import Sequence

import numpy as np

from skiprnn.channels import feature_of
from skiprnn.data.table_file import TableFile

ENOUGH = 10  # rows of every recording, to say that a column always grows

_INDEX = re.compile(
    r"Unnamed: \d+|__index_level_\d+__|level_\d+"
)  # of a column that a program wrote without a name
_GROUPS = {
    "subject",
    "subjects",
    "person",
    "participant",
    "patient",
    "user",
    "wearer",
    "volunteer",
    "athlete",
    "animal",
    "driver",
    "operator",
    "device",
    "machine",
    "session",
}
_RECORDINGS = {
    "recording",
    "record",
    "trial",
    "run",
    "sequence",
    "seq",
    "session",
    "take",
    "file",
    "filename",
    "segment",
    "episode",
    "repetition",
    "rep",
    "series",
}
_ROWS = {"index", "idx", "row"}
_IDS = {*_ROWS, "id", "ids", "uuid", "guid", "key", "nr", "no", "number", "num", "name", "code"}
_COUNTS = {"t", "ts", "time", "timestamp", "sample", "samples", "step", "frame", "count", "counter"}
_SPACES = re.compile(r"(?<=[a-z])(?=[A-Z])|[\W_]+")


def is_group_name(name: str) -> bool:
    """Whether a column is named as whose recording it is: `subject`, `Patient ID`, `deviceName`."""
    words = _words(name)
    return bool(words & _GROUPS) and words <= _GROUPS | _IDS


def is_recording_name(name: str) -> bool:
    """Whether a column is named as which recording a row is of: `trial`, `run_id`, `id`."""
    words = _words(name)
    return bool(words) and words <= _RECORDINGS | _IDS and not words <= _ROWS


def identity_of(tables: Sequence[TableFile], columns: Sequence[str]) -> str:
    """Why a column of numbers is no channel; empty: it is one.

    Args:
        columns: its name in each of the tables, which are a recording each.
    """
    if any(map(_INDEX.fullmatch, columns)):
        return "without a name"
    name = feature_of(columns[0]).name
    if is_group_name(name):
        return "names a group"
    values = [table.floats(column) for table, column in zip(tables, columns, strict=True)]
    values = [column[np.isfinite(column)] for column in values]
    is_whole = all((column % 1 == 0).all() for column in values)
    if is_whole and (is_recording_name(name) or _words(name) <= _IDS):
        return "an id"
    if all(len(column) == 0 or column.min() == column.max() for column in values):
        return "never changes within a recording"
    return _always(values, is_count=is_whole and _words(name) <= _COUNTS)


def _always(values: Sequence[np.ndarray], *, is_count: bool) -> str:
    """A count, a clock, a meter: it says how far a recording is. Two values do not tell."""
    if min(map(len, values)) < (2 if is_count else ENOUGH):
        return ""
    steps = [np.diff(column) for column in values]
    if all((step > 0).all() for step in steps):
        return "a count" if is_count else "always grows"
    return "always falls" if all((step < 0).all() for step in steps) else ""


def _words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _SPACES.split(name) if word and not word.isdigit())
