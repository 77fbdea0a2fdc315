"""When each row of a table was measured, in seconds.

Numbers that are no dates are elapsed, in the unit of the column's name (`t [ms]`, `time_us`), in the one that is given,
or in seconds where they have fractions.
"""

import dataclasses
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skiprnn.data.gaps import Missing
from skiprnn.data.resample import Floats
from skiprnn.data.table_file import Kind, TableFile
from skiprnn.data.time_form import ISO, SINCE_1970, UNITS, Form, form_of, named_unit, unit_since_1970
from skiprnn.numerals import CLOCK

if TYPE_CHECKING:
    import pandas as pd

NO_TIME = "none"

_FEW = 0.05  # of the steps fall in a table of many recordings, or where a clock starts again
_FAR = 20  # steps: from here on a fall is no row that came late
_DAY = 86_400.0  # seconds
_WAY_OUT = (
    f"recording=COLUMN divides a table of many recordings, time={NO_TIME} with a sample_rate=… takes no "
    "notice of such a clock"
)


@dataclasses.dataclass(frozen=True)
class TimeAxis:
    """When the rows of a recording were measured.

    Attributes:
        order: [N], the rows in the order of their times.
        seconds: [N], when each was measured, from the first, in that order.
        start: seconds of the first, since 1970 (UTC) where `dated`, else as the column counts them.
        unsorted: the number in the file of the first row that is earlier than the one before it; 0: none is.
    """

    order: NDArray[np.int64]
    seconds: Floats
    start: float
    dated: bool
    unsorted: int = 0


def time_axis(table: TableFile, name: str, unit: str = "") -> TimeAxis:
    """When the rows of a recording were measured.

    Args:
        name: of the column, with or without its unit.
        unit: of numbers whose column has none, `s`, `ms`, `us` or `ns`; empty: as the module says.

    Raises:
        ValueError: no such column, a cell is no time, two rows have the same one, or the unit cannot be told; the
            message names the file and the row.
    """
    column = name if name in table.names else table.alike(name)
    if column is None:
        raise table.lacks([name])
    start, times, dated = _times(table, column, unit)
    falls = np.flatnonzero(np.diff(times) < 0)
    if _starts_again(times, falls):
        raise ValueError(
            f"{table.path}: expected times of one recording, got {column!r} that starts again in row "
            f"{table.row(int(falls[0]) + 1)}; {_WAY_OUT}"
        )
    order = np.argsort(times, kind="stable") if len(falls) else np.arange(len(times))
    seconds: Floats = times[order]
    if (same := np.diff(seconds) == 0).any():
        first, second = (table.row(int(row)) for row in order[int(same.argmax()) :][:2])
        raise ValueError(
            f"{table.path}: expected a time of its own for every row, got the same in rows {first} and {second} of "
            f"{column!r}; {_WAY_OUT}"
        )
    return TimeAxis(order, seconds, start, dated, table.row(int(falls[0]) + 1) if len(falls) else 0)


def times_of(table: TableFile, column: str, unit: str = "") -> Floats:
    """Times [N] in seconds as `TimeAxis` counts them: since 1970 (UTC) of dates, else from the column's own zero.

    Args:
        column, unit: as for `time_axis`. Rows may have the same time, in any order.

    Raises:
        ValueError: a cell is no time, or the unit cannot be told; the message names the file and the row.
    """
    start, seconds, _ = _times(table, column, unit)
    return start + seconds


def _starts_again(times: Floats, falls: NDArray[np.int64]) -> bool:
    """Whether sorting would mix runs that each grow: recordings in one table, or a clock that ran over."""
    steps = np.diff(times)
    if not 0 < len(falls) <= max(1, _FEW * len(steps)):
        return False
    if np.median(-steps[falls]) <= _FAR * np.median(np.abs(steps)):
        return False
    runs = sorted((run.min(), run.max()) for run in np.split(times, falls + 1))
    return any(later[0] <= earlier[1] for earlier, later in pairwise(runs))


def _times(table: TableFile, column: str, unit: str) -> tuple[float, Floats, bool]:
    """The earliest time in seconds, the time [N] of every row from there, and whether it is a date."""
    form = form_of(table, column, named=True)
    if form is None and table.kind(column) is not Kind.NUMBERS:
        raise _no_time(table, column)
    if form in (Form.DATES, Form.DURATIONS):
        return _typed(table, column, dated=form is Form.DATES)
    values = table.finite(column, Missing.HOLD)
    if (empty := np.isnan(values)).any():
        raise table.empty(column, int(empty.argmax()))
    unit = _unit(table, column, values, unit)
    exact = table.frame[column].to_numpy() if _is_whole_type(table.frame[column]) else values
    start = float(values.min()) * UNITS[unit]
    return start, np.asarray(exact - exact.min(), np.float64) * UNITS[unit], start >= SINCE_1970[0]


def _no_time(table: TableFile, column: str) -> ValueError:
    """An error: a column that was named as the time holds words."""
    texts, values = table.texts(column), table.floats(column)
    row = next((row for row, text in enumerate(texts) if text and np.isnan(values[row])), 0)
    return ValueError(
        f"{table.path}: expected times in {column!r} (numbers, or dates in ISO 8601), got {texts[row]!r} in row "
        f"{table.row(row)}"
    )


def _typed(table: TableFile, column: str, *, dated: bool) -> tuple[float, Floats, bool]:
    times = _parsed(table.frame[column])
    if (odd := times.isna().to_numpy()).any():
        row = int(odd.argmax())
        got = f"{table.frame[column].iloc[row]!r}" if not table.frame[column].isna().iloc[row] else "none"
        kind = "a date in ISO 8601" if dated else "a duration such as 0:01:02.5"
        raise ValueError(f"{table.path}: expected {kind} in row {table.row(row)} of {column!r}, got {got}")
    nanoseconds = times.dt.as_unit("ns").astype("int64").to_numpy()
    start = int(nanoseconds.min())
    seconds = (nanoseconds - start) / 1e9
    if not dated and (past_midnight := np.diff(seconds, prepend=seconds[0]) < -_DAY / 2).any():
        seconds += _DAY * np.cumsum(past_midnight)
        return start / 1e9 + float(seconds.min()), seconds - seconds.min(), dated
    return start / 1e9, seconds, dated


def _parsed(column: "pd.Series[Any]") -> "pd.Series[Any]":
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        return column
    texts = column.astype(object).where(column.notna(), "").astype(str).str.strip().str.replace(",", ".")
    if CLOCK.fullmatch(next(text for text in texts if text)):
        return pd.to_timedelta(texts.where(texts.str.fullmatch(CLOCK)), errors="coerce")
    return pd.to_datetime(texts.where(texts.str.fullmatch(ISO)), format="ISO8601", utc=True, errors="coerce")


def _unit(table: TableFile, column: str, values: Floats, unit: str) -> str:
    known = named_unit(column) or unit or unit_since_1970(values)
    if known:
        return known
    if (values % 1 != 0).any():
        return "s"
    raise ValueError(
        f"{table.path}: expected a unit for {column!r}, got whole numbers that may be seconds or milliseconds; say "
        f"which with time_unit=s (or ms, us, ns), or leave it out with time={NO_TIME}"
    )


def _is_whole_type(column: "pd.Series[Any]") -> bool:
    return column.dtype.kind in "iu" and isinstance(column.dtype, np.dtype)
