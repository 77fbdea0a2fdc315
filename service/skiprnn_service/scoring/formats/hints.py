"""Columns that are left out though their names say that they tell sequences apart, or order their samples."""

from collections.abc import Iterable, Sequence
from shlex import quote
from urllib.parse import quote_plus

from skiprnn_export.channels import is_id_name, is_time_name

MOST_COLUMNS = 3  # that are looked at: each is a pass over the file, and a sentence in a header of the answer
_MOST_VALUES = 100_000  # that are told apart


def like_ids(names: Iterable[str]) -> list[str]:
    """Those that look like the names of columns of ids."""
    return [name for name in names if is_id_name(name)]


def like_times(names: Iterable[str]) -> list[str]:
    """Those that look like the names of columns of times."""
    return [name for name in names if is_time_name(name)]


def about_ids(name: str, batches: Iterable[tuple[Sequence[object], int]]) -> list[str]:
    """What to say of a column that looks like ids, where all rows are one sequence.

    Args:
        batches: its distinct values in some rows, and how many rows these are. Of one value in all rows, or of
            another in each, nothing is said.
    """
    values, rows = set[object](), 0
    for found, count in batches:
        values.update(found)
        rows += count
        if len(values) > _MOST_VALUES:
            return []
    if not 1 < len(values) < rows:
        return []
    return [
        f"the column {name!r:.100} repeats {len(values):,} values in {rows:,} rows, which are scored as one sequence: "
        f"--sequence {quote(name[:100])} scores each apart (HTTP: sequence={quote_plus(name[:100])})"
    ]


def about_times(name: str) -> str:
    """What to say of a column that looks like times, and orders nothing."""
    return (
        f"the column {name!r:.100} is not read: samples are taken in the order of their rows; "
        f"--time {quote(name[:100])} sorts each sequence by it (HTTP: time={quote_plus(name[:100])})"
    )
