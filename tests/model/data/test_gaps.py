"""Gaps: filled or cut at, and samples that are there stay untouched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.gaps import Missing, filled, places, whole_parts

VALUES = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=40)


@given(VALUES, st.sampled_from([Missing.HOLD, Missing.INTERPOLATE]))
def test_filling_leaves_samples_that_are_there_untouched(values: list[float], missing: Missing) -> None:
    x = np.array(values)
    full = filled(x, missing)
    there = ~np.isnan(x)
    assert (full[there] == x[there]).all()
    assert np.isnan(full).any() == (not there.any())
    if there.any():
        assert x[there].min() <= full.min()
        assert full.max() <= x[there].max()


def test_a_gap_is_interpolated_or_held() -> None:
    x = np.array([np.nan, 1.0, np.nan, np.nan, 4.0, np.nan])
    assert filled(x, Missing.INTERPOLATE).tolist() == [1, 1, 2, 3, 4, 4]
    assert filled(x, Missing.HOLD).tolist() == [1, 1, 1, 1, 4, 4]


@given(st.sets(st.integers(1, 98), max_size=60), st.floats(0.01, 1000))
def test_a_place_is_that_of_the_sample_among_all(lost: set[int], rate: float) -> None:
    """As long as most steps are those of the rate."""
    kept = [index for index in range(100) if index not in lost]
    if np.sort(np.diff(kept))[(len(kept) - 2) // 2] == 1:
        assert places(np.array(kept) / rate).tolist() == kept


def test_jitter_is_no_hole() -> None:
    seconds = np.arange(50) + np.random.default_rng(0).uniform(-0.3, 0.3, 50)
    assert places(seconds).tolist() == list(range(50))


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40),
    st.lists(st.integers(1, 4), min_size=40, max_size=40),
    st.integers(0, 4),
)
def test_parts_are_whole_but_for_short_gaps(
    present: list[tuple[bool, bool]], steps: list[int], longest: int
) -> None:
    there, place = np.array(present), np.cumsum(steps[: len(present)])
    parts = whole_parts(there, place, longest)
    rows = [int(row) for part in parts for row in part]
    assert rows == sorted(set(rows))
    for part in parts:
        assert len(part) > 1
        assert (np.diff(part) == 1).all()
        for channel in there[part].T:
            assert channel[0]
            assert channel[-1]
            assert np.diff(place[part][channel]).max() <= longest + 1


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_without_long_gaps_a_recording_is_one_part_between_its_whole_samples(present: list[bool]) -> None:
    there = np.array(present)
    found = np.flatnonzero(there)
    parts = whole_parts(there[:, np.newaxis], np.arange(len(there)), len(there))
    expected = [list(range(found[0], found[-1] + 1))] if len(found) > 1 else []
    assert [part.tolist() for part in parts] == expected


@pytest.mark.parametrize(
    ("longest", "parts"), [(0, [[0, 1], [5, 6, 7]]), (2, [[0, 1], [5, 6, 7]]), (3, [list(range(8))])]
)
def test_a_recording_is_cut_at_gaps_that_are_too_long(longest: int, parts: list[list[int]]) -> None:
    there = np.array([True, True, False, False, False, True, True, True])[:, np.newaxis]
    found = whole_parts(there, np.arange(8), longest)
    assert [part.tolist() for part in found] == parts


def test_a_part_does_not_begin_in_a_gap_of_another_channel() -> None:
    there = np.ones((9, 2), np.bool_)
    there[2:6, 0] = there[6, 1] = False
    assert [part.tolist() for part in whole_parts(there, np.arange(9), 2)] == [[0, 1], [7, 8]]
