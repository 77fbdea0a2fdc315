"""When the samples of a file were measured, by its time column: live tools take samples as they are."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from skiprnn.data.files import SUFFIXES, suffix_of

_ROWS = 10_000  # of CSV that are looked at


class Timing(NamedTuple):
    """Samples a second (Hz), and how many holes there are in time."""

    sample_rate: float
    holes: int


def timing_of(path: Path) -> Timing | None:
    """By the first rows of a table and the rule of training; None: it has no such column, or pandas is missing."""
    try:
        from skiprnn.data.gaps import places
        from skiprnn.data.read_table import read_table_file
        from skiprnn.data.resample import measured_rate
        from skiprnn.data.time_axis import time_axis
        from skiprnn.data.time_form import find_time

        table = read_table_file(path, most_rows=_ROWS)
        if (time := find_time([table], [])) is None:
            return None
        seconds = time_axis(table, time).seconds
        return Timing(measured_rate(seconds), int((np.diff(places(seconds)) > 1).sum()))
    except (ImportError, ValueError, OSError):  # what is wrong with the file, its reader says
        return None


def not_as_trained(path: Path, sample_rate: float | None, *, rates: bool = True) -> str:
    """A sentence where training would resample a file or look for gaps; empty: there is nothing to say.

    Args:
        sample_rate: of the model, Hz; None: unknown.
        rates: speak of another rate too; scoring does so by itself, for each of its sequences.
    """
    from skiprnn.data.resample import is_same_rate

    if not sample_rate or suffix_of(path) not in SUFFIXES or (timing := timing_of(path)) is None:
        return ""
    rate, holes = f"{timing.sample_rate:.4g} Hz", timing.holes
    differs = rates and not is_same_rate(timing.sample_rate, sample_rate)
    found = [f"samples at {rate}"] if differs else []
    found += [f"{holes} hole{'s' * (holes > 1)} in time"] if holes else []
    if not found:
        return ""
    return (
        f"{path}: expected samples at the model's {sample_rate:.4g} Hz without holes, got {' and '.join(found)}; "
        "they are taken as they stand, since only training resamples and fills gaps"
    )
