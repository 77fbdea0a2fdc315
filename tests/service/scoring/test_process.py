"""The process that scores: it does one job after another, ends when it should, and is replaced when it died."""

import asyncio
import io
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import InferenceError, NonFiniteError, OverloadError, ShapeError, TooLargeError
from skiprnn_service.scoring.job import Job
from skiprnn_service.scoring.process import NICE, Limits, ScoreProcess
from support.bundles import random_sequence, write_random_bundle

LIMITS = Limits(memory_bytes=1 << 30, cpu_seconds=60)
LINES = b'{"x": [[0, 0, 0]]}\n' * 40_000


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    folder = tmp_path_factory.mktemp("models")
    return [write_random_bundle(folder / f"{seed}.onnx", seed=seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def runners(bundles: list[Bundle]) -> list[StepRunner]:
    return [StepRunner(bundle, max_batch=16) for bundle in bundles]


@pytest.fixture
def process() -> Iterator[ScoreProcess]:
    found = ScoreProcess(priority="normal", limits=LIMITS)
    yield found
    found.close()


def job(name: str = "npy", limit: int = 10**8) -> Job:
    return Job("m", "1", name, name, None, updates=False, max_bytes=10**8, max_output_bytes=limit)


@contextmanager
def file_of(x: np.ndarray[Any, Any] | bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(x) if isinstance(x, bytes) else np.save(file, x)
        file.seek(0)
        yield file


async def scored(process: ScoreProcess, runner: StepRunner, x: Any, job: Job = job()) -> bytes:  # noqa: B008
    with file_of(x) as source, tempfile.TemporaryFile() as sink:
        await process.run(job, runner, source, sink)
        sink.seek(0)
        return sink.read()


def pid(process: ScoreProcess) -> int:
    assert process._process is not None
    return process._process.pid


async def check(process: ScoreProcess, bundle: Bundle, runner: StepRunner, seed: int) -> None:
    x = random_sequence(bundle, 90, seed=seed)
    y = np.load(io.BytesIO(await scored(process, runner, x)))
    np.testing.assert_array_equal(y, unroll(bundle, x).y[-1:])


async def test_one_process_does_jobs_of_several_models_one_after_another(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    await check(process, bundles[0], runners[0], 0)
    first = pid(process)
    for seed, which in enumerate((0, 1, 1, 0)):
        await check(process, bundles[which], runners[which], seed)
    assert pid(process) == first


async def test_what_goes_wrong_in_it_is_raised_here_and_it_goes_on(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    with pytest.raises(ShapeError, match=r"npy: expected \[N, T, 3\]"):
        await scored(process, runners[0], np.zeros((4, 2)))
    first = pid(process)
    with pytest.raises(NonFiniteError, match="sequence 0, sample 0"):
        await scored(process, runners[0], np.full((4, 3), np.nan))
    await check(process, bundles[0], runners[0], 1)
    assert pid(process) == first


async def test_one_that_died_between_two_jobs_is_replaced(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    await check(process, bundles[0], runners[0], 0)
    first = pid(process)
    os.kill(first, signal.SIGKILL)
    await check(process, bundles[0], runners[0], 1)
    assert pid(process) != first


async def test_one_that_dies_in_the_middle_of_an_answer_is_an_error_and_then_replaced(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    with file_of(LINES) as source, tempfile.TemporaryFile() as sink:
        running = asyncio.create_task(process.run(job("ndjson"), runners[0], source, sink))
        while not os.fstat(sink.fileno()).st_size:
            await asyncio.sleep(0.001)
        os.kill(pid(process), signal.SIGKILL)
        with pytest.raises(InferenceError, match="has died"):
            await running
    await check(process, bundles[0], runners[0], 1)


async def test_a_job_that_is_cancelled_ends_its_process(
    process: ScoreProcess, bundles: list[Bundle], runners: list[StepRunner]
) -> None:
    with file_of(LINES) as source, tempfile.TemporaryFile() as sink:
        running = asyncio.create_task(process.run(job("ndjson"), runners[0], source, sink))
        while not os.fstat(sink.fileno()).st_size:
            await asyncio.sleep(0.001)
        ended = process._process
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert ended is not None
    assert ended.wait(10) == -signal.SIGKILL
    await check(process, bundles[0], runners[0], 1)


async def test_an_output_beyond_its_limit_is_an_error(
    process: ScoreProcess, runners: list[StepRunner]
) -> None:
    with pytest.raises(TooLargeError, match=r"output: expected 1000 bytes at most \(max_score_bytes\)"):
        await scored(process, runners[0], LINES, job("ndjson", limit=1000))


async def test_a_full_disk_is_an_overload(process: ScoreProcess, runners: list[StepRunner]) -> None:
    full = pytest.raises(OverloadError, match="the disk is full: set TMPDIR")
    with file_of(LINES) as source, Path("/dev/full").open("wb") as sink, full:
        await process.run(job("ndjson"), runners[0], source, sink)


async def test_it_ends_with_the_server(process: ScoreProcess, runners: list[StepRunner]) -> None:
    await scored(process, runners[0], np.zeros((4, 3)))
    assert process._process is not None
    assert process._socket is not None
    process._socket.close()  # as the kernel does when the server dies
    assert process._process.wait(10) == 0


@pytest.mark.parametrize("priority", ["idle", "low"])
async def test_it_steps_back(runners: list[StepRunner], priority: str) -> None:
    modest = ScoreProcess(priority=priority, limits=LIMITS)
    try:
        await scored(modest, runners[0], np.zeros((4, 3)))
        assert os.getpriority(os.PRIO_PROCESS, pid(modest)) == NICE
        assert (os.sched_getscheduler(pid(modest)) == os.SCHED_IDLE) is (priority == "idle")
        assert os.getsid(pid(modest)) == os.getsid(
            0
        )  # across sessions priorities count for nothing: sched(7)
        assert os.getpgid(pid(modest)) != os.getpgid(0)  # Ctrl-C is for the server alone
    finally:
        modest.close()
