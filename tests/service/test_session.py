"""The update step: bound buffers give what a plain call gives, and every batch size the same bits."""

from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import Bundle, open_session, write
from skiprnn_service.errors import InferenceError, ModelError
from skiprnn_service.session import StepSession
from support.bundles import random_bundle, write_random_bundle
from support.graphs import depends_on_batch_size, depends_on_neighbours, fails_on_large_samples


def fill(session: StepSession, *, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    session.x[:] = rng.normal(size=session.x.shape)
    session.state[:] = rng.normal(size=session.state.shape)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path / "m.onnx", hidden=33, layers=2)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_batch_size_gives_the_bits_of_rows_run_alone(cell: str, tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "m.onnx", cell=cell, hidden=48, outputs=5)
    session, plain = StepSession(bundle, max_batch=70), open_session(bundle.model)
    fill(session)
    names = ["new_state", "update_prob", "y"]
    alone = [
        plain.run(names, {"x": session.x[i : i + 1], "state": session.state[i : i + 1]}) for i in range(70)
    ]
    expected = [np.concatenate(column) for column in zip(*alone, strict=True)]
    for n in range(1, 71):
        session.run(n)
        for name, values in zip(names, expected, strict=True):
            np.testing.assert_array_equal(getattr(session, name)[:n], values[:n], strict=True)


def test_x_bytes_is_the_memory_of_x(bundle: Bundle) -> None:
    session = StepSession(bundle, max_batch=4)
    sample = np.arange(3, dtype=np.float32)
    session.x_bytes[12:24] = sample.tobytes()
    assert session.x[1].tolist() == sample.tolist()


def test_a_fork_has_the_same_weights_and_its_own_buffers(bundle: Bundle) -> None:
    session = StepSession(bundle, max_batch=8)
    fork = session.fork()
    fill(session)
    fill(fork, seed=1)
    session.run(8)
    kept = session.y.copy()
    fork.run(8)
    assert (session.y == kept).all()
    assert (fork.y != kept).any()
    fill(fork)
    fork.run(8)
    assert (fork.y == kept).all()


def test_self_test_passes_where_rows_are_independent(bundle: Bundle) -> None:
    session = StepSession(bundle, max_batch=100)
    assert session.self_test()
    assert (session.batching, session.max_batch) == ("exact", 100)


def test_self_test_pads_batches_where_their_size_matters(tmp_path: Path) -> None:
    model, info = random_bundle()
    session = StepSession(write(tmp_path / "m.onnx", depends_on_batch_size(model), info))
    assert not session.self_test()
    assert session.batching == "padded"
    for padded in (session, session.fork()):
        fill(padded)
        padded.run(padded.max_batch)
        together = padded.y.copy()
        padded.run(1)
        assert (padded.y[0] == together[0]).all()
        assert padded.batching == "padded"


def test_self_test_says_when_padding_does_not_help(tmp_path: Path) -> None:
    model, info = random_bundle()
    session = StepSession(write(tmp_path / "m.onnx", depends_on_neighbours(model), info))
    assert not session.self_test()
    assert session.batching == "inexact"


def test_a_step_that_raises_is_an_inference_error_and_the_next_one_works(tmp_path: Path) -> None:
    model, info = random_bundle()
    session = StepSession(write(tmp_path / "m.onnx", fails_on_large_samples(model), info))
    session.x[0] = 1e6
    with pytest.raises(InferenceError, match=r"random_lstm.*1 rows"):
        session.run(1)
    session.x[0] = 1
    session.run(1)
    assert np.isfinite(session.y[0]).all()


def test_predicts_from_what_it_has_seen(bundle: Bundle) -> None:
    session = StepSession(bundle)
    assert session.predicted_us(16) == 0
    session.run(16)
    assert session.predicted_us(16) > 0
    assert session.predicted_us(15) == session.predicted_us(16)  # both run at 16
    assert session.predicted_us(17) == 0


def test_trusts_quick_runs_more_than_slow_ones(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine makes runs slow; a quick one was really that quick."""
    session = StepSession(bundle)
    ticks = iter([0, 900e-6, 1, 1 + 100e-6, 2, 2 + 1100e-6])  # seconds: runs of 900, 100 and 1,100 µs
    monkeypatch.setattr("skiprnn_service.session.perf_counter", lambda: next(ticks))
    predictions = []
    for _ in range(3):
        session.run(4)
        predictions.append(round(session.predicted_us(4)))
    assert predictions == [900, 100, 120]


def test_wastes_at_most_a_quarter_of_a_batch(bundle: Bundle) -> None:
    session = StepSession(bundle, max_batch=200)
    sizes = [plan.size for plan in session._plans[1:]]
    assert all(n <= size <= max(8, n * 1.25) for n, size in enumerate(sizes, start=1))
    assert len(set(sizes)) < 32


def test_a_provider_that_is_not_there_is_an_error(bundle: Bundle) -> None:
    with pytest.raises(ModelError, match=r"expected Nonsense, got .*CPUExecutionProvider"):
        StepSession(bundle, providers=("Nonsense",))
