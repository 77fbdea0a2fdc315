"""Rows of a table → samples: every column goes the same way."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from skiprnn.data.gaps import Missing
from skiprnn.data.segment import Segment


def segment(seconds: list[float], rate: float, place: list[int] | None = None) -> Segment:
    count = len(seconds)
    return Segment(
        np.arange(count), np.array(place or range(count)), np.array(seconds), rate, Missing.INTERPOLATE
    )


@given(st.integers(2, 50), st.sampled_from([5.0, 10.0, 20.0, 30.0]))
def test_texts_and_numbers_have_as_many_samples(count: int, rate: float) -> None:
    one = segment([i / 10 for i in range(count)], rate)
    assert len(one.held_rows) == len(one.numbers(np.zeros(count)))
    assert (np.diff(one.held_rows) >= 0).all()


@given(st.floats(0.5, 3), st.integers(2, 60), st.integers(0, 2**32 - 1))
@example(rate=1.0, count=17, seed=149)  # 1.5 % faster than the rate, and not even
def test_texts_and_numbers_of_uneven_samples_too(rate: float, count: int, seed: int) -> None:
    steps = np.random.default_rng(seed).uniform(0.7, 1.3, count - 1)
    one = segment([0.0, *np.cumsum(steps).tolist()], rate)
    assert len(one.held_rows) == len(one.numbers(np.zeros(count)))


def test_a_text_is_that_of_the_last_row_by_then() -> None:
    assert segment([0.0, 0.1, 0.2], 20.0).held_rows.tolist() == [0, 0, 1, 1, 2]
    assert segment([0.0, 0.1, 0.2, 0.3, 0.4], 5.0).held_rows.tolist() == [0, 2, 4]


def test_rows_at_the_rate_are_held_by_themselves() -> None:
    one = segment([0.0, 0.101, 0.199, 0.3], 10.0)
    assert one.held_rows.tolist() == [0, 1, 2, 3]
    values = np.array([1.0, 4.0, 2.0, 8.0])
    assert one.numbers(values).tolist() == values.tolist()


def test_what_is_missing_in_time_is_filled() -> None:
    one = segment([0.0, 0.1, 0.4, 0.5], 10.0, [0, 1, 4, 5])
    assert one.numbers(np.array([0.0, 1.0, 4.0, 5.0])).tolist() == [0, 1, 2, 3, 4, 5]
    assert one.held_rows.tolist() == [0, 1, 1, 1, 2, 3]


def test_without_times_rows_are_samples() -> None:
    one = Segment(np.array([3, 4, 5]), np.arange(3), None, 50.0, Missing.ERROR)
    assert one.numbers(np.arange(9.0)).tolist() == [3, 4, 5]
    assert one.held_rows.tolist() == [3, 4, 5]
