"""Which column of a table is its time, found by its type and its name.

dates      a datetime type, or text in ISO 8601, with a zone or without (then UTC)
durations  a timedelta type, or text such as `0:01:02.5`
numbers    since 1970 where they lie between 1990 and 2100 in s, ms, µs or ns; else elapsed, where the name says so
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from skiprnn.channels import feature_of
from skiprnn.column_names import TIME_UNITS, is_time_name, last_word
from skiprnn.data.resample import Floats
from skiprnn.data.table_file import Kind, TableFile
from skiprnn.numerals import CLOCK

if TYPE_CHECKING:
    import pandas as pd

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
SINCE_1970 = (6.3e8, 4.1e9)  # seconds, in 1990 and 2100
ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)

_DAY = len("2024-03-01")
_MOSTLY = 0.9  # of the steps of a time that is found by its name do not fall


class Form(StrEnum):
    """How a column says when a row was measured."""

    DATES = "dates"
    SINCE_1970 = "since 1970"
    DURATIONS = "durations"
    ELAPSED = "elapsed"


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
        forms = Counter(form_of(table, column) for table, column in columns if column)
        known = [form for form in Form if form in forms]
        is_sure = is_certain_name(name) or (Form.DATES in known and 2 * forms[Form.DATES] > forms.total())
        if known and (None not in forms or is_sure):
            found[name] = known[0]
    return found


def is_certain_name(column: str) -> bool:
    """Whether it is named as a time and as nothing else: `time` and `t [ms]` are, `t` is not."""
    feature = feature_of(column)
    return is_time_name(feature.name) and (
        feature.unit in TIME_UNITS or feature.name.lower() not in ("t", "ts")
    )


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
    """Days tell the rows apart only if each is another one."""
    texts = [str(text).strip() for text in cells.drop_duplicates().dropna().head(9)]
    texts = [text for text in texts if text]
    for pattern, form in ((ISO, Form.DATES), (CLOCK, Form.DURATIONS)):
        fitting = [pattern.fullmatch(text) is not None for text in texts]
        if named and any(fitting):
            return form
        if len(texts) > 1 and all(fitting):
            return form if max(map(len, texts)) > _DAY or form is not Form.DATES or cells.is_unique else None
    return None


def _form_of_numbers(values: Floats, column: str) -> Form | None:
    """`t` may be a temperature and must mostly grow; what has another name of a time may be shuffled."""
    feature = feature_of(column)
    values = values[~np.isnan(values)]
    if len(values) < 2 or values.min() == values.max():
        return None
    steps = np.diff(values)
    grows = (steps >= 0).mean() >= (0 if is_certain_name(column) else _MOSTLY)
    if unit_since_1970(values) and (grows if is_time_name(feature.name) else (steps >= 0).all()):
        return Form.SINCE_1970
    if not is_time_name(feature.name) or not grows or not (feature.unit in TIME_UNITS or not feature.unit):
        return None
    is_count = not named_unit(column) and (np.diff(np.sort(values)) == 1).all()
    return None if is_count else Form.ELAPSED


def named_unit(column: str) -> str:
    """`t [ms]`, `time_ms` and `milliseconds` → `ms`; empty: the name has none."""
    feature = feature_of(column)
    if feature.unit in TIME_UNITS:
        return TIME_UNITS[feature.unit]
    return TIME_UNITS.get(last_word(feature.name), "")


def unit_since_1970(values: Floats) -> str:
    """The unit in which all values are dates; empty: they are none."""
    earliest, latest = SINCE_1970
    fitting = (u for u, s in UNITS.items() if values.min() * s >= earliest and values.max() * s <= latest)
    return next(fitting, "")
