"""The update step: bound buffers give what a plain call gives, and every batch size the same bits."""

from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import Bundle, open_session, write
from skiprnn_service.engine.arena import FIRST, INITIAL, SCRATCH
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import InferenceError, ModelError
from support.bundles import random_bundle, write_random_bundle
from support.graphs import depends_on_batch_size, depends_on_neighbours, fails_on_large_samples
from support.steps import Stepped, random_input, step


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path / "m.onnx", hidden=33, layers=2)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_batch_size_gives_the_bits_of_rows_run_alone(cell: str, tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "m.onnx", cell=cell, hidden=48, outputs=5)
    runner, plain = StepRunner(bundle, max_batch=70), open_session(bundle.model)
    x, state = random_input(runner, 70)
    alone = [plain.run([*Stepped._fields], {"x": x[i : i + 1], "state": state[i : i + 1]}) for i in range(70)]
    expected = [np.concatenate(column) for column in zip(*alone, strict=True)]
    for n in range(1, 71):
        for got, values in zip(step(runner, x[:n], state[:n]), expected, strict=True):
            np.testing.assert_array_equal(got, values[:n], strict=True)


def test_nothing_but_the_target_rows_is_written(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=16)
    x, state = random_input(runner, 11)  # run at 12
    runner.reserve(40)
    rows = np.arange(FIRST + 40)
    rows = rows[rows != SCRATCH]
    filled = np.random.default_rng(1).normal(size=(len(rows), state.shape[1])).astype(np.float32)
    runner.arena.memory.write(rows, filled)
    target = FIRST + 3 * np.arange(11)
    runner.x[:11], runner.source[:11], runner.target[:11] = x, FIRST + 1, target
    runner.run(11)
    untouched = ~np.isin(rows, target)
    assert (runner.arena.memory.read(rows)[untouched] == filled[untouched]).all()
    assert (runner.arena.memory.read(target) != filled[np.isin(rows, target)]).any(axis=1).all()


def test_a_row_may_be_stepped_in_place(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=8)
    x, state = random_input(runner, 8)
    expected = step(runner, x, state)
    rows = FIRST + np.arange(8)
    runner.arena.memory.write(rows, state)
    runner.source[:] = runner.target[:] = rows
    runner.run(8)
    assert (runner.arena.memory.read(rows) == expected.new_state).all()


def test_room_that_is_there_keeps_what_it_holds(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=8)
    runner.reserve(10)
    arena, state = runner.arena, np.ones(bundle.info.state_size, np.float32)
    arena.write(FIRST + 9, state)
    runner.reserve(10)
    assert runner.arena is arena
    assert (runner.arena.read([FIRST + 9]) == state).all()
    runner.reserve(11)
    assert (runner.arena.read([INITIAL]) == bundle.info.initial_state).all()


def test_x_bytes_is_the_memory_of_x(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=4)
    sample = np.arange(3, dtype=np.float32)
    runner.x_bytes[12:24] = sample.tobytes()
    assert runner.x[1].tolist() == sample.tolist()


def test_a_fork_has_the_same_weights_and_its_own_buffers(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=8)
    fork = runner.fork()
    one, other = random_input(runner, 8), random_input(runner, 8, seed=1)
    kept = step(runner, *one)
    assert (step(fork, *other).y != kept.y).any()
    assert (runner.y == kept.y).all()
    assert (runner.arena.memory.read(FIRST + 8 + np.arange(8)) == kept.new_state).all()
    assert (step(fork, *one).y == kept.y).all()


def test_self_test_passes_where_rows_are_independent(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=100)
    assert runner.self_test()
    assert (runner.batching, runner.max_batch) == ("exact", 100)


def test_self_test_pads_batches_where_their_size_matters(tmp_path: Path) -> None:
    model, info = random_bundle()
    runner = StepRunner(write(tmp_path / "m.onnx", depends_on_batch_size(model), info))
    assert not runner.self_test()
    assert runner.batching == "padded"
    for padded in (runner, runner.fork()):
        x, state = random_input(padded, padded.max_batch)
        together = step(padded, x, state)
        assert (step(padded, x[:1], state[:1]).y[0] == together.y[0]).all()
        assert padded.batching == "padded"


def test_self_test_says_when_padding_does_not_help(tmp_path: Path) -> None:
    model, info = random_bundle()
    runner = StepRunner(write(tmp_path / "m.onnx", depends_on_neighbours(model), info))
    assert not runner.self_test()
    assert runner.batching == "inexact"


def test_a_step_that_raises_is_an_inference_error_and_the_next_one_works(tmp_path: Path) -> None:
    model, info = random_bundle()
    runner = StepRunner(write(tmp_path / "m.onnx", fails_on_large_samples(model), info))
    runner.x[0] = 1e6
    with pytest.raises(InferenceError, match=r"random_lstm.*1 rows"):
        runner.run(1)
    runner.x[0] = 1
    runner.run(1)
    assert np.isfinite(runner.y[0]).all()


def test_predicts_from_what_it_has_seen(bundle: Bundle) -> None:
    runner = StepRunner(bundle)
    assert runner.predicted_us(16) == 0
    runner.run(16)
    assert runner.predicted_us(16) > 0
    assert runner.predicted_us(15) == runner.predicted_us(16)  # both run at 16
    assert runner.predicted_us(17) == 0


def test_trusts_quick_runs_more_than_slow_ones(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine makes runs slow; a quick one was really that quick."""
    runner = StepRunner(bundle)
    ticks = iter([0, 900e-6, 1, 1 + 100e-6, 2, 2 + 1100e-6])  # seconds: runs of 900, 100 and 1,100 µs
    monkeypatch.setattr("skiprnn_service.engine.step_runner.perf_counter", lambda: next(ticks))
    predictions = []
    for _ in range(3):
        runner.run(4)
        predictions.append(round(runner.predicted_us(4)))
    assert predictions == [900, 100, 120]


def test_wastes_at_most_a_quarter_of_a_batch(bundle: Bundle) -> None:
    runner = StepRunner(bundle, max_batch=200)
    sizes = [plan.size for plan in runner._plans[1:]]
    assert all(n <= size <= max(8, n * 1.25) for n, size in enumerate(sizes, start=1))
    assert len(set(sizes)) < 32


def test_a_provider_that_is_not_there_is_an_error(bundle: Bundle) -> None:
    with pytest.raises(ModelError, match=r"expected Nonsense, got .*CPUExecutionProvider"):
        StepRunner(bundle, providers=("Nonsense",))
