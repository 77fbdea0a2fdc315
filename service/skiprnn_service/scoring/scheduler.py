"""Decides when and where scoring runs, so that streams do not slow down.

    run           small work, on a thread: ONNX Runtime releases the interpreter lock while it computes
    in_process    large jobs, in a process: parsing and writing megabytes would hold that lock for long

Both run at low priority, at most `at_once` at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import IO, TypeVar

from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import OverloadError
from skiprnn_service.scoring.job import Job
from skiprnn_service.scoring.process import ScoreProcess, lower_priority

T = TypeVar("T")

_BYTES_A_SECOND = 1 << 23  # of large bodies, all together: streams wait while a chunk is received


class Scoring:
    """Runs scoring work off the event loop.

    Args:
        at_once: jobs that run at a time.
        waiting: further ones that wait for their turn; more are rejected.
        priority: of processes, as `ScoreProcess`. Threads are "low" where those are "idle": they hold locks of streams.
    """

    def __init__(self, *, at_once: int, waiting: int, priority: str = "idle") -> None:
        self._limit, self._waiting = waiting, 0
        self._turns = asyncio.Semaphore(at_once)
        threads = "low" if priority == "idle" else priority
        self._threads = ThreadPoolExecutor(
            at_once, "skiprnn-score", initializer=lower_priority, initargs=(threads,)
        )
        self._processes = [ScoreProcess(priority=priority) for _ in range(at_once)]
        self._received_until = 0.0  # when the bodies that came so far should have come

    async def pace(self, size: int) -> None:
        """Wait until streams have had their share of the time since `size` bytes of a body came."""
        now = asyncio.get_running_loop().time()
        self._received_until = max(now, self._received_until) + size / _BYTES_A_SECOND
        await asyncio.sleep(self._received_until - now)

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` on a thread of low priority, in its turn. Raises OverloadError: too many jobs wait."""
        async with self._turn():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def in_process(self, job: Job, runner: StepRunner, source: IO[bytes], sink: IO[bytes]) -> None:
        """`ScoreProcess.run`, in its turn; cancelling it ends the job. Raises OverloadError: too many jobs wait."""
        async with self._turn():
            process = self._processes.pop()  # there is one for each turn
            try:
                await process.run(job, runner, source, sink)
            finally:
                self._processes.append(process)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.locked() and self._waiting >= self._limit:
            raise OverloadError(f"scoring: {self._waiting} requests wait already (max_scoring_waiting)")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def close(self) -> None:
        """End the processes, and the threads after their current work."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for process in self._processes:
            process.close()
