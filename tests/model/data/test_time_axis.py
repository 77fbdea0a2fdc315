"""When the rows of a table were measured."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.time_axis import time_axis
from skiprnn.data.time_form import find_time
from support.table_files import SPRING, iso, table

T = np.arange(30) / 50


@pytest.mark.parametrize(
    ("values", "start", "dated"),
    [
        (iso(T), SPRING, True),
        (iso(T, "Z"), SPRING, True),
        (iso(T, "+01:00"), SPRING - 3600, True),
        ([text.replace("T", " ") for text in iso(T)], SPRING, True),
        ([text.replace(".", ",") for text in iso(T)], SPRING, True),
        (pd.to_datetime(iso(T)), SPRING, True),
        (pd.to_datetime(iso(T, "Z")), SPRING, True),
        (pd.to_datetime(iso(T, "Z")).tz_convert("Europe/Paris"), SPRING, True),
        (SPRING + T, SPRING, True),
        ((1000 * (SPRING + T)).round().astype(np.int64), SPRING, True),
        ((10**6 * (SPRING + T)).round().astype(np.int64), SPRING, True),
        (int(SPRING) * 10**9 + (10**9 * T).round().astype(np.int64), SPRING, True),
        (2.5 + T, 2.5, False),
        (pd.to_timedelta(2.5 + T, unit="s"), 2.5, False),
        ([f"0:00:{2.5 + t:05.2f}" for t in T], 2.5, False),
    ],
    ids=[
        *("iso", "iso Z", "iso +01", "iso blank", "iso comma", "datetime", "datetime UTC", "datetime Paris"),
        *("seconds", "milliseconds", "microseconds", "nanoseconds", "elapsed", "timedelta", "clock"),
    ],
)
def test_a_time_is_found_and_read(values: Any, start: float, dated: bool) -> None:
    file = table(time=values, x=np.sin(T))
    assert find_time([file], []) == "time"
    axis = time_axis(file, "time")
    assert axis.seconds.tolist() == pytest.approx(T.tolist(), abs=1e-6)
    assert axis.start == pytest.approx(start, abs=1e-6)
    assert axis.dated == dated


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("t [ms]", 1e3),
        ("time (us)", 1e6),
        ("time_ms", 1e3),
        ("elapsed_ns", 1e9),
        ("seconds", 1),
        ("t [s]", 1),
    ],
)
def test_a_unit_is_that_of_the_name(name: str, factor: float) -> None:
    file = table(**{name: factor * (1 + T), "x": np.sin(T)})
    found = find_time([file], [])
    assert found is not None
    axis = time_axis(file, found)
    assert [axis.start, axis.seconds[-1]] == pytest.approx([1, T[-1]])


def test_whole_numbers_without_a_unit_need_one() -> None:
    file = table(t=np.arange(0, 600, 20), x=np.sin(T))
    assert find_time([file], []) == "t"
    with pytest.raises(ValueError, match=r"run\.csv: expected a unit for 't', .* time_unit=s .* time=none"):
        time_axis(file, "t")
    assert time_axis(file, "t", "ms").seconds[:3].tolist() == pytest.approx([0, 0.02, 0.04])


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=40, unique=True))
def test_rows_are_put_in_the_order_of_their_times(milliseconds: list[int]) -> None:
    file = table(t=np.array(milliseconds), x=np.arange(len(milliseconds)))
    axis = time_axis(file, "t", "ms")
    assert (np.array(milliseconds)[axis.order] == sorted(milliseconds)).all()
    assert axis.seconds[0] == 0
    assert (np.diff(axis.seconds) > 0).all()
    first = next(
        (row for row in range(1, len(milliseconds)) if milliseconds[row] < milliseconds[row - 1]), -1
    )
    assert axis.unsorted == first + 1


@given(st.integers(0, 10**18), st.lists(st.integers(1, 10**10), min_size=1, max_size=20))
def test_nanoseconds_are_exact(start: int, steps: list[int]) -> None:
    """float64 holds no nanoseconds since 1970; their differences it does."""
    times = np.cumsum([start, *steps])
    seconds = time_axis(table(t=times), "t", "ns").seconds
    assert (np.rint(seconds * 1e9).astype(np.int64) == times - start).all()


@given(st.lists(st.integers(10**15, 10**15 + 10**12), min_size=2, max_size=20, unique=True))
def test_a_date_that_was_written_is_read_back(microseconds: list[int]) -> None:
    texts = [(datetime(1970, 1, 1) + pd.Timedelta(us, unit="us")).isoformat() for us in sorted(microseconds)]
    axis = time_axis(table(time=texts), "time")
    expected = np.array(sorted(microseconds)) - min(microseconds)
    assert (np.rint(axis.seconds * 1e6).astype(np.int64) == expected).all()


def test_the_same_time_twice_is_an_error_with_both_rows_and_the_way_out() -> None:
    with pytest.raises(
        ValueError, match=r"the same in rows 2 and 4 of 'time'; recording=COLUMN .* time=none"
    ):
        time_axis(table(time=[0.0, 0.5, 1.0, 0.5]), "time")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([*iso(T[:3]), "soon"], "expected a date in ISO 8601 in row 4 of 'time', got 'soon'"),
        ([*iso(T[:3]), None], "expected a date in ISO 8601 in row 4 of 'time', got none"),
        ([0.1, 0.2, None], "expected a value in row 3 of 'time', found none"),
        (["1.2.2024", "2.2.2024"], "expected times in 'time' .*, got '1.2.2024' in row 1"),
    ],
)
def test_a_cell_that_is_no_time_is_named(cells: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        time_axis(table(time=cells), "time")


def test_a_time_that_starts_again_is_an_error_not_sorted() -> None:
    """Recordings one below another, with clocks that are a little apart; sorting would mix their rows."""
    t = np.concatenate([T, T + 0.003])
    with pytest.raises(ValueError, match=r"got 'time' that starts again in row 31; recording=COLUMN"):
        time_axis(table(time=t), "time")
    blocks = time_axis(table(time=np.concatenate([T + 5, T])), "time")
    assert (np.diff(blocks.seconds) > 0).all(), "of parts that do not overlap, the later one stood first"


def test_a_clock_goes_past_midnight() -> None:
    texts = ["23:59:59.5", "23:59:59.75", "0:00:00", "0:00:00.25"]
    axis = time_axis(table(time=texts), "time")
    assert (axis.seconds.tolist(), axis.start, axis.unsorted) == ([0, 0.25, 0.5, 0.75], 86399.5, 0)


@pytest.mark.parametrize(("cells", "row"), [(list("qwe"), 1), (["1", "2", "3x"], 3)])
def test_words_are_no_time(cells: list[str], row: int) -> None:
    with pytest.raises(
        ValueError, match=rf"expected times in 'when' .*, got '{cells[row - 1]}' in row {row}"
    ):
        time_axis(table(when=cells), "when")
