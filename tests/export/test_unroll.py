"""The offline reference: which samples update, what is kept, what is rejected."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_export import Bundle, open_session, skips, unroll
from skiprnn_export.bundle import pack
from support.bundles import random_bundle, random_sequence, write_random_bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return pack(*random_bundle(cell="gru", features=3, outputs=2))


def test_the_first_sample_is_read_and_each_skip_is_that_of_the_gate(bundle: Bundle) -> None:
    done = unroll(bundle, random_sequence(bundle, 300))
    assert done.t[0] == 0
    assert len(done.t) > 10
    jumps = np.diff([*done.t, done.wake]) - 1
    assert np.array_equal(jumps, skips(done.update_prob))
    assert len(set(jumps.tolist())) > 1


def test_it_wakes_at_or_after_the_end(bundle: Bundle) -> None:
    for length in range(1, 40):
        done = unroll(bundle, random_sequence(bundle, length))
        assert done.t[-1] < length <= done.wake


def test_samples_that_are_skipped_do_not_matter(bundle: Bundle) -> None:
    x = random_sequence(bundle, 100)
    done = unroll(bundle, x)
    unread = np.setdiff1d(np.arange(100), done.t)
    changed = x.copy()
    changed[unread] = np.nan
    again = unroll(bundle, changed)
    assert np.array_equal(again.t, done.t)
    assert np.array_equal(again.y, done.y)
    assert np.array_equal(again.state, done.state)


def test_a_longer_sequence_begins_with_the_shorter_one(bundle: Bundle) -> None:
    x = random_sequence(bundle, 100)
    whole, part = unroll(bundle, x), unroll(bundle, x[:50])
    count = len(part.t)
    assert np.array_equal(whole.t[:count], part.t)
    assert np.array_equal(whole.y[:count], part.y)
    assert whole.t[count] == part.wake


@given(missed=st.lists(st.booleans(), min_size=60, max_size=60))
def test_an_update_waits_for_the_next_sample_that_was_not_missed(bundle: Bundle, missed: list[bool]) -> None:
    x = random_sequence(bundle, 60)
    x[missed] = np.nan
    done = unroll(bundle, x, missed=missed)
    due = 0
    for t, skip in zip(done.t, skips(done.update_prob), strict=True):
        assert all(missed[due:t])
        assert not missed[t]
        due = t + 1 + int(skip)
    assert due >= 60 or all(missed[due:])
    assert done.wake == max(due, 60) if due < 60 else done.wake == due


def test_missed_samples_that_would_be_skipped_change_nothing(bundle: Bundle) -> None:
    x = random_sequence(bundle, 100)
    done = unroll(bundle, x)
    missed = np.ones(100, bool)
    missed[done.t] = False
    assert np.array_equal(unroll(bundle, x, missed=missed).y, done.y)
    with pytest.raises(ValueError, match=r"missed: expected one for each of 100 samples, got shape \(3,\)"):
        unroll(bundle, x, missed=[True] * 3)


def test_an_empty_sequence_stays_where_it_begins(bundle: Bundle) -> None:
    done = unroll(bundle, np.zeros((0, 3), np.float32))
    assert (len(done.t), done.y.shape, done.wake) == (0, (0, 2), 0)
    assert np.array_equal(done.state, bundle.info.initial_state)


def test_a_higher_threshold_reads_less(bundle: Bundle) -> None:
    x = random_sequence(bundle, 300)
    assert len(unroll(bundle, x, threshold=1).t) < len(unroll(bundle, x).t)


def test_the_cap_of_the_bundle_holds() -> None:
    sleepy = pack(*random_bundle(gate_bias=-30, max_skip=9))
    assert unroll(sleepy, random_sequence(sleepy, 25)).t.tolist() == [0, 10, 20]


def test_an_open_session_serves_many_sequences(bundle: Bundle, tmp_path: Path) -> None:
    session = open_session(bundle.model)
    x = random_sequence(bundle, 50)
    first, second, alone = (
        unroll(bundle, x, session=session),
        unroll(bundle, x, session=session),
        unroll(bundle, x),
    )
    assert np.array_equal(first.y, second.y)
    assert np.array_equal(first.y, alone.y)
    assert write_random_bundle(tmp_path / "gru.onnx", cell="gru").model == bundle.model


def test_a_sample_that_is_read_must_be_finite(bundle: Bundle) -> None:
    x = random_sequence(bundle, 10)
    x[0, 1] = np.inf
    with pytest.raises(ValueError, match=r"x\[0\]: expected finite numbers"):
        unroll(bundle, x)


@pytest.mark.parametrize("shape", [(5,), (5, 2), (1, 5, 3)])
def test_another_shape_is_rejected(bundle: Bundle, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x: expected \[T, 3\], got shape"):
        unroll(bundle, np.zeros(shape))
