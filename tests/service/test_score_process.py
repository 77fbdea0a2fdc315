"""The process that scores: it serves one job after another, dies when it should, and is missed by nobody."""

import io
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import InferenceError, NonFiniteError, ShapeError
from skiprnn_service.scoring import worker as score_process
from skiprnn_service.scoring.job import Job
from skiprnn_service.scoring.worker import ScoreProcess
from support.bundles import random_sequence, write_random_bundle


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    folder = tmp_path_factory.mktemp("models")
    return [write_random_bundle(folder / f"{seed}.onnx", seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def runners(bundles: list[Bundle]) -> list[StepRunner]:
    return [StepRunner(bundle, max_batch=16) for bundle in bundles]


@pytest.fixture
def process() -> Iterator[ScoreProcess]:
    found = ScoreProcess(priority="normal")
    yield found
    found.close()


def job(kind: str = "npy", answer: str = "npy") -> Job:
    return Job("m", "1", kind, answer, threshold=None, updates=False, max_bytes=10**8)


@contextmanager
def file_of(x: np.ndarray[Any, Any] | bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(x) if isinstance(x, bytes) else np.save(file, x)
        file.seek(0)
        yield file


def scored(process: ScoreProcess, runner: StepRunner, x: Any) -> bytes:
    pieces: list[bytes] = []
    with file_of(x) as source:
        process.run(job(), runner, source, pieces.append)
    return b"".join(pieces)


def pid(process: ScoreProcess) -> int:
    assert process._process is not None
    return process._process.pid


def check(process: ScoreProcess, bundle: Bundle, runner: StepRunner, seed: int) -> None:
    x = random_sequence(bundle, 90, seed=seed)
    y = np.load(io.BytesIO(scored(process, runner, x)))
    np.testing.assert_array_equal(y, unroll(bundle, x).y[-1:])


def test_one_process_does_jobs_of_several_models_one_after_another(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    check(process, bundles[0], runners[0], 0)
    first = pid(process)
    for seed, which in enumerate((0, 1, 1, 0)):
        check(process, bundles[which], runners[which], seed)
    assert pid(process) == first


def test_what_goes_wrong_in_it_is_raised_here_and_it_goes_on(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    with pytest.raises(ShapeError, match=r"npy: expected \[N, T, 3\]"):
        scored(process, runners[0], np.zeros((4, 2)))
    first = pid(process)
    with pytest.raises(NonFiniteError, match="sequence 0, sample 0"):
        scored(process, runners[0], np.full((4, 3), np.nan))
    check(process, bundles[0], runners[0], 1)
    assert pid(process) == first


def test_one_that_died_between_two_jobs_is_replaced(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    check(process, bundles[0], runners[0], 0)
    first = pid(process)
    os.kill(first, signal.SIGKILL)
    check(process, bundles[0], runners[0], 1)
    assert pid(process) != first


def test_one_that_dies_in_the_middle_of_an_answer_is_an_error_and_then_replaced(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    lines = b'{"x": [[0, 0, 0]]}\n' * 20_000

    def kill(_: bytes) -> None:
        os.kill(pid(process), signal.SIGKILL)

    with file_of(lines) as source, pytest.raises(InferenceError, match="has died"):
        process.run(job(kind="ndjson", answer="ndjson"), runners[0], source, kill)
    check(process, bundles[0], runners[0], 1)


def test_a_reader_that_leaves_ends_it(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    def leave(_: bytes) -> None:
        raise BrokenPipeError

    with file_of(b'{"x": [[0, 0, 0]]}\n' * 20_000) as source, pytest.raises(BrokenPipeError):
        process.run(job(kind="ndjson", answer="ndjson"), runners[0], source, leave)
    check(process, bundles[0], runners[0], 1)


def test_without_a_job_for_a_while_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(score_process, "IDLE_SECONDS", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        score_process.main(theirs)  # returns


def test_it_ends_with_the_server(process: ScoreProcess, runners: list[StepRunner]) -> None:
    scored(process, runners[0], np.zeros((4, 3)))
    assert process._process is not None
    assert process._line is not None
    process._line.close()  # as the kernel does when the server dies
    assert process._process.wait(10) == 0


@pytest.mark.parametrize("priority", ["idle", "low"])
def test_it_steps_back(runners: list[StepRunner], priority: str) -> None:
    modest = ScoreProcess(priority=priority)
    try:
        scored(modest, runners[0], np.zeros((4, 3)))
        assert os.getpriority(os.PRIO_PROCESS, pid(modest)) == score_process.NICE
        assert (os.sched_getscheduler(pid(modest)) == os.SCHED_IDLE) is (priority == "idle")
        assert os.getsid(pid(modest)) == os.getsid(
            0
        )  # across sessions priorities count for nothing: sched(7)
        assert os.getpgid(pid(modest)) != os.getpgid(0)  # Ctrl-C is for the server alone
    finally:
        modest.close()
