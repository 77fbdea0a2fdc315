"""A row of a comparison: mean and spread over its seeds."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.compare.plan import Setting
from skiprnn.compare.table import Row

SHARES = st.lists(st.floats(0.01, 1), min_size=1, max_size=9)


def row(values: list[float]) -> Row:
    return Row(Setting("learned", 0.5), dict(enumerate(values)), dict(enumerate(values)))


@given(SHARES)
def test_means_are_over_the_seeds_whatever_their_order(values: list[float]) -> None:
    one, other = row(values), row(values[::-1])
    assert one.mean == other.mean == pytest.approx(sum(values) / len(values))
    assert one.reached == one.mean


@given(SHARES)
def test_one_seed_has_no_spread_and_several_have_their_standard_deviation(values: list[float]) -> None:
    spread = row(values).spread
    if len(values) == 1:
        assert spread is None
    else:
        assert spread == pytest.approx(statistics.stdev(values))
