"""Rows that lack values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.channels import Feature
from skiprnn_cli.stream.missing import Missing, NothingToHoldError, Row, filled

NAN = math.nan
ROWS = [[1.0, 2.0], [NAN, 3.0], [NAN, NAN], [4.0, NAN]]


def test_rows_wait_or_hold_the_last_value_of_each_channel() -> None:
    assert list(filled(ROWS, missing=Missing.WAIT, source="x")) == [[1, 2], None, None, None]
    assert list(filled(ROWS, missing=Missing.HOLD, source="x")) == [[1, 2], [1, 3], [1, 3], [4, 3]]


def test_otherwise_rows_stay_as_they_are() -> None:
    assert list(filled(ROWS, missing=Missing.ERROR, source="x")) == ROWS


def test_rows_are_taken_as_they_come() -> None:
    rows = iter(ROWS)
    assert next(filled(rows, missing=Missing.HOLD, source="x")) == [1, 2]
    assert len(list(rows)) == 3


@pytest.mark.parametrize(
    ("channels", "name"), [((), "column 2"), ((Feature("ax"), Feature("ay", "g")), "ay")]
)
def test_a_value_with_none_before_it_cannot_be_held(channels: tuple[Feature, ...], name: str) -> None:
    rows = filled([[1.0, NAN]], missing=Missing.HOLD, source="run.csv", channels=channels)
    with pytest.raises(
        NothingToHoldError, match=f"^run.csv, sample 0: expected a value of {name}, .*--missing wait"
    ):
        next(rows)


values = st.one_of(st.just(NAN), st.floats(-9, 9))


@given(st.lists(st.lists(values, min_size=2, max_size=2), max_size=20))
def test_what_is_held_is_the_latest_value_that_there_was(rows: list[Row]) -> None:
    rows = [[0.0, 0.0], *rows]
    held = list(filled(rows, missing=Missing.HOLD, source="x"))
    assert len(held) == len(rows)
    for t, row in enumerate(held):
        assert row == [[x[i] for x in rows[: t + 1] if not math.isnan(x[i])][-1] for i in range(2)]
