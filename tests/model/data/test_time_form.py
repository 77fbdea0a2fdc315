"""Which column is the time."""

import numpy as np
import pandas as pd

from skiprnn.data.time_form import Form, find_time, time_columns
from support.table_files import SPRING, iso, table

T = np.arange(30) / 50


def test_a_count_of_rows_is_no_time() -> None:
    for name in ("t", "time", "index", "sample"):
        assert find_time([table(**{name: np.arange(30), "x": np.sin(T)})], []) is None


def test_a_value_that_is_named_as_a_time_and_does_not_grow_is_none() -> None:
    assert find_time([table(t=np.sin(9 * T), x=np.cos(T))], []) is None
    assert find_time([table(date=["2024-03-01"] * 30, x=np.cos(T))], []) is None


def test_dates_come_before_numbers_and_a_duration_needs_the_name() -> None:
    took = pd.to_timedelta(T, unit="s")
    file = table(t=T, took=took, stamp=SPRING + T, when=pd.to_datetime(iso(T)), x=np.sin(T))
    assert find_time([file], []) == "when"
    assert find_time([file], ["when"]) == "stamp"
    assert time_columns([file])["took"] is Form.DURATIONS
    assert find_time([table(took=took, x=np.sin(T))], []) is None


def test_days_are_a_time_only_if_each_row_has_another() -> None:
    clock = [f"23:59:{30 + i}" for i in range(30)]
    days = ["2024-03-01"] * 20 + ["2024-03-02"] * 10
    assert find_time([table(date=days, time=clock, x=np.sin(T))], []) == "time"
    every = [f"2024-03-{day:02d}" for day in range(1, 31)]
    assert find_time([table(date=every, x=np.sin(T))], []) == "date"


def test_a_time_that_is_damaged_in_one_table_is_still_the_time() -> None:
    good, bad = table(when=iso(T), x=np.sin(T)), table(when=["?"] * 30, x=np.sin(T))
    assert find_time([good, bad, good], []) == "when"
    assert find_time([good, bad, bad], []) is None
