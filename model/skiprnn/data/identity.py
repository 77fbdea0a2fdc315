"""Columns that say which recording, person or row a sample is of: no channels, though they may hold numbers."""

import re
from collections.abc import Sequence

import numpy as np

from skiprnn.channels import feature_of
from skiprnn.column_names import is_count_name, is_group_name, is_id_name, is_row_name
from skiprnn.data.table_file import TableFile

ENOUGH = 10  # rows of every recording, to say that a column always grows

_INDEX = re.compile(
    r"Unnamed: \d+|__index_level_\d+__|level_\d+"
)  # of a column that a program wrote without a name


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
    values = [column[~np.isnan(column)] for column in values]
    is_whole = all((column % 1 == 0).all() for column in values)
    if is_whole and (is_id_name(name) or is_row_name(name)):
        return "an id"
    if all(len(column) == 0 or column.min() == column.max() for column in values):
        return "never changes within a recording"
    return _always(values, is_count=is_whole and is_count_name(name))


def _always(values: Sequence[np.ndarray], *, is_count: bool) -> str:
    """A count, a clock, a meter: it says how far a recording is. Two values do not tell."""
    if min(map(len, values)) < (2 if is_count else ENOUGH):
        return ""
    steps = [np.diff(column) for column in values]
    if all((step > 0).all() for step in steps):
        return "a count" if is_count else "always grows"
    return "always falls" if all((step < 0).all() for step in steps) else ""
