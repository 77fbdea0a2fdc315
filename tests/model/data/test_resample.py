"""Resampling: what is even stays as it is, what is constant stays constant, and nothing is aliased."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skiprnn.data.resample import (
    common_rate,
    even_times,
    is_even,
    is_same_rate,
    measured_rate,
    resampled,
)

RATES = st.floats(0.5, 2000)


def times(rate: float, count: int) -> np.ndarray:
    return np.arange(count) / rate


@given(RATES, st.integers(2, 300), st.integers(0, 2**32 - 1), st.floats(-0.2, 0.2))
def test_samples_at_the_rate_stay_as_they_are_bit_for_bit(
    rate: float, count: int, seed: int, jitter: float
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 2))
    seconds = times(rate, count) + jitter / rate * rng.uniform(-1, 1, count) * (count > 9)
    seconds -= seconds[0]
    rate = measured_rate(seconds)
    assert resampled(x, seconds, rate) is x
    assert resampled(x, seconds, 1.005 * rate) is x


@given(st.floats(-1e6, 1e6, width=32), RATES, RATES, st.integers(2, 60), st.integers(0, 2**32 - 1))
@example(value=1.0, rate=1.0, wanted=1.0, count=17, seed=149)  # 1.5 % faster than the rate, and not even
def test_a_constant_gives_the_constant(
    value: float, rate: float, wanted: float, count: int, seed: int
) -> None:
    steps = np.random.default_rng(seed).uniform(0.7, 1.3, count - 1) / rate
    seconds = np.concatenate([[0], np.cumsum(steps)])
    wanted = min(wanted, 50 * rate)
    x = resampled(np.full(count, value), seconds, wanted)
    assert (x.astype(np.float32) == np.float32(value)).all()
    assert len(x) == len(even_times(seconds, wanted))


@given(RATES, RATES, st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_going_up_stays_within_the_range_of_the_samples(
    rate: float, wanted: float, count: int, seed: int
) -> None:
    wanted = min(max(wanted, rate), 50 * rate)
    x = np.random.default_rng(seed).normal(size=count)
    up = resampled(x, times(rate, count), wanted)
    assert x.min() <= up.min()
    assert up.max() <= x.max()
    assert up[0] == x[0]


@given(RATES, RATES, st.integers(2, 200))
def test_even_times_begin_at_the_first_sample_and_do_not_pass_the_last(
    rate: float, wanted: float, count: int
) -> None:
    seconds = times(rate, count)
    even = even_times(seconds, min(wanted, 50 * rate))
    assert even[0] == seconds[0]
    assert even[-1] <= seconds[-1]
    assert (np.diff(even) > 0).all()


@pytest.mark.parametrize("wanted", [25.0, 30.0, 50.0])
def test_going_down_keeps_what_the_rate_holds_and_removes_what_it_does_not(wanted: float) -> None:
    seconds = times(100, 1000)
    slow, fast = (np.sin(2 * np.pi * hertz * seconds) for hertz in (0.2 * wanted / 2, 0.8 * (100 - wanted)))
    x = resampled(np.stack([slow, slow + fast], axis=1), seconds, wanted)
    at = even_times(seconds, wanted)
    inner = slice(20, -20)
    assert np.abs(x[:, 0] - np.sin(2 * np.pi * 0.1 * wanted * at))[inner].max() < 0.02
    assert np.abs(x[:, 1] - x[:, 0])[inner].max() < 0.01, "a fast movement must not look like a slow one"


def test_uneven_samples_are_interpolated() -> None:
    seconds = np.array([0.0, 1.0, 1.4, 3.0, 4.0])
    assert not is_even(seconds, 1.0)
    assert resampled(10 * seconds, seconds, 1.0).tolist() == pytest.approx([0, 10, 20, 30, 40])


def test_a_few_uneven_samples_of_a_rate_stay_as_they_are() -> None:
    assert is_even(np.array([0.0, 0.021]), 50)
    assert is_even(np.array([0.0, 0.019, 0.041]), 50)
    assert not is_even(np.array([0.0, 0.04]), 50)


def test_the_rate_is_measured_over_holes_and_jitter() -> None:
    seconds = np.delete(times(50, 500), slice(100, 180))
    assert measured_rate(seconds) == pytest.approx(50)
    assert measured_rate(np.round(times(30, 500), 3)) == pytest.approx(30, rel=1e-3)
    assert measured_rate(np.array([0.0, 0.5])) == 2


@pytest.mark.parametrize(
    ("rates", "rate"),
    [
        ([25, 50, 50, 100], 50),
        ([25, 100], 25),
        ([49.98], 50),
        ([100.2, 99.9, 100.1], 100),
        ([31.25], 31.25),
        ([12.5], 12.5),
        ([0.1], 0.1),
        ([1024.0], 1024),
    ],
)
def test_the_common_rate_is_that_of_most_recordings(rates: list[float], rate: float) -> None:
    assert common_rate(rates) == rate


def test_clocks_that_differ_by_less_than_a_percent_run_at_one_rate() -> None:
    assert is_same_rate(50, 50.4)
    assert not is_same_rate(50, 51)
