"""Values of a time column become numbers in their order; what is no time becomes none."""

import datetime
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_service.scoring.formats.times import Times


@given(
    st.lists(st.datetimes(min_value=datetime.datetime(1, 1, 2), max_value=datetime.datetime(9999, 12, 30)))
)
def test_iso_text_is_ordered_as_its_times_are(moments: list[datetime.datetime]) -> None:
    keys = [key for key in Times().keys([moment.isoformat() for moment in moments]) if key is not None]
    by_key = sorted(zip(keys, moments, strict=True))
    assert [moment for _, moment in by_key] == sorted(moments)


@given(st.lists(st.integers(-(10**17), 10**17)))
def test_whole_numbers_are_exact_as_text(numbers: list[int]) -> None:
    assert Times().keys([f" {number} " for number in numbers]) == numbers


@pytest.mark.parametrize(
    "value", [None, "", "x", math.nan, math.inf, True, [], "1e999", "12:00", "2024-13-01", "9" * 5000]
)
def test_what_is_no_time_is_none(value: Any) -> None:
    assert Times().keys([value]) == [None]


def test_a_column_is_of_the_kind_of_its_first_value() -> None:
    assert Times().keys(["1", 2, 2.5, Decimal("3.5"), "2024-05-01"]) == [1, 2, 2.5, 3.5, None]
    assert Times().keys(["1970-01-01T00:00:01.5", "1", "1970-01-01T00:00:00Z"]) == [1_500_000_000, None, None]
