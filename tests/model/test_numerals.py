"""Numbers as text, by the cases that the dashboard is held to as well."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.numerals import looks_like_a_number, parse_number
from support.table_cases import CASES


@pytest.mark.parametrize(("text", "value"), CASES["numbers"].items())
def test_a_number_is_decimal_or_none(text: str, value: float | None) -> None:
    assert parse_number(text) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_is_read_back(value: float) -> None:
    assert parse_number(repr(value)) == value
    assert looks_like_a_number(repr(value))


@given(st.text(max_size=8) | st.from_regex(r"[-+0-9eE._]{1,8}", fullmatch=True))
def test_it_is_what_python_reads_or_none(text: str) -> None:
    value = parse_number(text)
    assert value is None or (value == float(text) and math.isfinite(value))
