"""Which column of a table is its time, and when each row was measured.

dates      a datetime type, or text in ISO 8601, with a zone or without (then UTC)
durations  a timedelta type, or text such as `0:01:02.5`
numbers    since 1970 where they lie between 1990 and 2100 in s, ms, µs or ns; else elapsed, in the unit of the
           column's name (`t [ms]`, `time_us`), in `time_unit`, or in seconds where they have fractions
"""

import dataclasses
import re
from collections.abc import Collection, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skiprnn.channels import feature_of
from skiprnn.data.gaps import Missing
from skiprnn.data.resample import Floats
from skiprnn.data.table_file import Kind, TableFile

if TYPE_CHECKING:
    import pandas as pd

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
NO_TIME = "none"

_SPELLINGS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
}
_SINCE_1970 = (6.3e8, 4.1e9)  # seconds, in 1990 and 2100
_NAMES = {"t", "ts", "time", "times", "timestamp", "stamp", "datetime", "date", "epoch", "elapsed", "clock"}
_BESIDE = {
    "unix",
    "utc",
    "local",
    "rel",
    "relative",
    "sample",
    "sensor",
    "system",
    "since",
    "start",
    "recorded",
    "at",
}
_WORDS = re.compile(r"[^\W\d_]+")
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_CLOCK = re.compile(r"\d+:[0-5]\d:[0-5]\d(?:[.,]\d+)?", re.ASCII)
_FEW = 0.05  # of the steps fall in a table of many recordings, or where a clock starts again
_FAR = 20  # steps: from here on a fall is no row that came late
_DAY = 86_400.0  # seconds
_WAY_OUT = (
    f"--override recording=COLUMN divides a table of many recordings, time={NO_TIME} with a sample_rate=… takes no "
    "notice of such a clock"
)
_MOSTLY = 0.9  # of the steps of a time that is found by its name do not fall


class Form(StrEnum):
    """How a column says when a row was measured."""

    DATES = "dates"
    SINCE_1970 = "since 1970"
    DURATIONS = "durations"
    ELAPSED = "elapsed"


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


def find_time(tables: Sequence[TableFile], besides: Collection[str]) -> str | None:
    """Name of the time column, without its unit; None: there is none.

    Dates come before numbers since 1970, these before elapsed ones, and of the same form the first column. A duration
    is one if it has such a name.

    Args:
        besides: columns that are something else.
    """
    found = {
        name: form
        for name, form in time_columns(tables, besides).items()
        if form is not Form.DURATIONS or is_time_name(name)
    }
    return min(found, key=lambda name: list(Form).index(found[name]), default=None)


def time_columns(tables: Sequence[TableFile], besides: Collection[str] = ()) -> dict[str, Form]:
    """Columns, by their names without units, that say when rows were measured.

    They do so in every table that has them; dates, and numbers of such a name, may be damaged in some, which is an
    error that `time_axis` raises.
    """
    found = {}
    for column in tables[0].names:
        name = feature_of(column).name
        if name in besides or column in besides:
            continue
        columns = [(table, table.alike(name)) for table in tables]
        forms = {form_of(table, column) for table, column in columns if column}
        known = [form for form in Form if form in forms]
        if known and (None not in forms or known[0] is Form.DATES or is_certain_name(name)):
            found[name] = known[0]
    return found


def is_time_name(name: str) -> bool:
    """Whether a column without its unit is named as a time: `time`, `ts`, `timestamp_ms`, `elapsed seconds`."""
    words = _words(name)
    known = _NAMES | (_SPELLINGS.keys() - {"s"})
    return bool(words & known) and words <= {*known, *_BESIDE, "s"} and not re.search(r"\d", name)


def is_certain_name(column: str) -> bool:
    """Whether it is named as a time and as nothing else: `time` and `t [ms]` are, `t` is not."""
    feature = feature_of(column)
    return is_time_name(feature.name) and (
        feature.unit in _SPELLINGS or feature.name.lower() not in ("t", "ts")
    )


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
    return start, np.asarray(exact - exact.min(), np.float64) * UNITS[unit], start >= _SINCE_1970[0]


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
    if _CLOCK.fullmatch(next(text for text in texts if text)):
        return pd.to_timedelta(texts.where(texts.str.fullmatch(_CLOCK)), errors="coerce")
    return pd.to_datetime(texts.where(texts.str.fullmatch(_ISO)), format="ISO8601", utc=True, errors="coerce")


def form_of(table: TableFile, column: str, *, named: bool = False) -> Form | None:
    """How a column says the time; None: it does not.

    Args:
        named: the user says that it does.
    """
    from pandas.api import types

    cells, kind = table.frame[column], table.kind(column)
    if kind is Kind.TIMES:
        form = Form.DATES if types.is_datetime64_any_dtype(cells) else Form.DURATIONS
        return form if named or cells.nunique() > 1 else None
    if kind is Kind.NUMBERS and not named:
        return _form_of_numbers(table.floats(column), column)
    if kind in (Kind.WORDS, Kind.MIXED):
        return _form_of_texts(cells, named=named)
    return None


def _form_of_texts(cells: "pd.Series[Any]", *, named: bool) -> Form | None:
    texts = [str(text).strip() for text in cells.drop_duplicates().dropna().head(9)]
    texts = [text for text in texts if text]
    for pattern, form in ((_ISO, Form.DATES), (_CLOCK, Form.DURATIONS)):
        fitting = [pattern.fullmatch(text) is not None for text in texts]
        if any(fitting) if named else (len(texts) > 1 and all(fitting)):
            return form
    return None


def _form_of_numbers(values: Floats, column: str) -> Form | None:
    """`t` may be a temperature and must mostly grow; what has another name of a time may be shuffled."""
    feature = feature_of(column)
    values = values[~np.isnan(values)]
    if len(values) < 2 or values.min() == values.max():
        return None
    steps = np.diff(values)
    grows = (steps >= 0).mean() >= (0 if is_certain_name(column) else _MOSTLY)
    if _unit_since_1970(values) and (grows if is_time_name(feature.name) else (steps >= 0).all()):
        return Form.SINCE_1970
    if not is_time_name(feature.name) or not grows or not (feature.unit in _SPELLINGS or not feature.unit):
        return None
    is_count = not _named_unit(column) and (np.diff(np.sort(values)) == 1).all()
    return None if is_count else Form.ELAPSED


def _unit(table: TableFile, column: str, values: Floats, unit: str) -> str:
    known = _named_unit(column) or unit or _unit_since_1970(values)
    if known:
        return known
    if (values % 1 != 0).any():
        return "s"
    raise ValueError(
        f"{table.path}: expected a unit for {column!r}, got whole numbers that may be seconds or milliseconds; say "
        f"which with --override time_unit=s (or ms, us, ns), or leave it out with time={NO_TIME}"
    )


def _named_unit(column: str) -> str:
    """`t [ms]`, `time_ms` and `milliseconds` → `ms`; empty: the name has none."""
    feature = feature_of(column)
    if feature.unit in _SPELLINGS:
        return _SPELLINGS[feature.unit]
    words = [word.lower() for word in _WORDS.findall(feature.name)]
    return _SPELLINGS.get(words[-1], "") if words else ""


def _unit_since_1970(values: Floats) -> str:
    """The unit in which all values are dates; empty: they are none."""
    earliest, latest = _SINCE_1970
    fitting = (u for u, s in UNITS.items() if values.min() * s >= earliest and values.max() * s <= latest)
    return next(fitting, "")


def _is_whole_type(column: "pd.Series[Any]") -> bool:
    return column.dtype.kind in "iu" and isinstance(column.dtype, np.dtype)


def _words(name: str) -> set[str]:
    """`sampleTime_ms` → sample, time, ms."""
    spaced = re.sub(r"(?<=[a-zµμ])(?=[A-Z])", " ", name)
    return {word.lower() for word in _WORDS.findall(spaced)}
