"""Whole sequences: the bits of streaming, whatever they are scored with."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skiprnn_export import Bundle, open_session, unroll
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import NonFiniteError, ShapeError, ThresholdError
from skiprnn_service.scoring.score import score
from support.bundles import random_sequence, write_random_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp("bundle") / "m.onnx", cell="gru", hidden=16)


@pytest.fixture(scope="module")
def runner(bundle: Bundle) -> StepRunner:
    return StepRunner(bundle, max_batch=64)


@settings(max_examples=50)
@given(
    lengths=st.lists(st.integers(1, 150), max_size=20),
    max_batch=st.sampled_from([1, 5, 64]),
    threshold=st.sampled_from([None, 0.9]),
)
def test_scores_have_the_bits_of_the_offline_unroll(
    bundle: Bundle, runner: StepRunner, lengths: list[int], max_batch: int, threshold: float | None
) -> None:
    sequences = [random_sequence(bundle, length, seed=i) for i, length in enumerate(lengths)]
    shared, plain = StepRunner(bundle, max_batch=max_batch, shares=runner), open_session(bundle.model)
    scores = score(shared, sequences, threshold=threshold)
    assert [scored.samples for scored in scores] == lengths
    for scored, x in zip(scores, sequences, strict=True):
        expected = unroll(bundle, x, threshold=threshold, session=plain)
        np.testing.assert_array_equal(scored.t, expected.t, strict=True)
        np.testing.assert_array_equal(scored.y, expected.y, strict=True)


def test_a_sequence_may_be_plain_lists(runner: StepRunner) -> None:
    (scored,) = score(runner, [[[0.0, 1.0, 2.0]]])
    assert (scored.samples, scored.t.tolist(), scored.y.shape) == (1, [0], (1, 2))


@pytest.mark.parametrize(
    "values", [np.zeros((4, 2)), np.zeros(3), np.zeros((0, 3)), [[1.0, 2.0], [1.0]], [["a", "b", "c"]], None]
)
def test_refuses_another_shape_and_says_which_sequence(runner: StepRunner, values: object) -> None:
    with pytest.raises(ShapeError, match=r"sequence 1: expected .*\[T, 3\]"):
        score(runner, [np.zeros((5, 3)), values])  # type: ignore[list-item]


@pytest.mark.parametrize("value", [np.nan, np.inf, np.finfo(np.float32).max])
def test_refuses_samples_that_are_not_finite_or_make_the_state_so(tmp_path: Path, value: float) -> None:
    bundle = write_random_bundle(tmp_path / "m.onnx", features=8)
    x = random_sequence(bundle, 50)
    bad = int(unroll(bundle, x).t[3])
    broken = x.copy()
    broken[bad] = value
    with pytest.raises(NonFiniteError, match=f"sequence 1, sample {bad}: "):
        score(StepRunner(bundle), [x, broken])


def test_does_not_look_at_samples_that_are_skipped(bundle: Bundle, runner: StepRunner) -> None:
    x = random_sequence(bundle, 100)
    expected = unroll(bundle, x)
    x[np.setdiff1d(np.arange(100), expected.t)] = np.nan
    (scored,) = score(runner, [x])
    np.testing.assert_array_equal(scored.y, expected.y)


def test_refuses_a_threshold_out_of_range(runner: StepRunner) -> None:
    with pytest.raises(ThresholdError, match=r"got 1.5"):
        score(runner, [], threshold=1.5)


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8), max_batch=st.sampled_from([1, 5, 64]))
def test_with_every_sample_an_update_it_is_the_step_run_over_all_of_them(
    bundle: Bundle, runner: StepRunner, lengths: list[int], max_batch: int
) -> None:
    sequences = [random_sequence(bundle, length, seed=i) for i, length in enumerate(lengths)]
    shared, plain = StepRunner(bundle, max_batch=max_batch, shares=runner), open_session(bundle.model)
    for scored, x in zip(score(shared, sequences, every_sample=True), sequences, strict=True):
        state, expected = bundle.info.initial_state[np.newaxis], []
        for sample in x:
            state, y = plain.run(["new_state", "y"], {"x": sample[np.newaxis], "state": state})
            expected.append(y[0])
        np.testing.assert_array_equal(scored.t, np.arange(len(x)))
        np.testing.assert_array_equal(scored.y, np.array(expected), strict=True)


def test_a_threshold_has_no_meaning_where_every_sample_updates(runner: StepRunner) -> None:
    with pytest.raises(ThresholdError, match=r"expected none where every sample updates, got 0.9"):
        score(runner, [], threshold=0.9, every_sample=True)
