"""Whose turn it is to score, and where: never so many at once, nor so eagerly, that streams feel it.

    run       small work, on a thread: its numbers come from ONNX Runtime, which lets go of the interpreter's lock
    stream    large jobs, in a process: parsing and writing megabytes would hold that lock for long

Both at low priority.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO, TypeVar

from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import OverloadError, TooLargeError
from skiprnn_service.scoring.job import Job
from skiprnn_service.scoring.worker import ScoreProcess, step_back

T = TypeVar("T")

_BYTES_A_SECOND = 1 << 23  # of large bodies, all together: each piece that comes in keeps streams waiting
_PIECES_AHEAD = 4  # of an answer that nobody has read yet; then its process waits


class Scoring:
    """Runs scoring work off the event loop.

    Args:
        at_once: pieces of work that run at a time.
        waiting: further ones that wait for their turn; more are refused.
        priority: of processes, as `ScoreProcess`. Threads are "low" where those are "idle": they hold locks of streams.
        slow_client_timeout_seconds: how long the reader of an answer may take for a piece of it: others are waiting.
    """

    def __init__(
        self, *, at_once: int, waiting: int, priority: str = "idle", slow_client_timeout_seconds: float = 30
    ) -> None:
        self._limit, self._waiting, self._slow_client_timeout_seconds = (
            waiting,
            0,
            slow_client_timeout_seconds,
        )
        self._turns = asyncio.Semaphore(at_once)
        threads = "low" if priority == "idle" else priority
        self._threads = ThreadPoolExecutor(
            at_once, "skiprnn-score", initializer=step_back, initargs=(threads,)
        )
        self._processes = [ScoreProcess(priority=priority) for _ in range(at_once)]
        self._jobs = set[asyncio.Task[None]]()
        self._taken_in_at = 0.0  # when the bodies that came so far should have come

    async def pace(self, size: int) -> None:
        """Wait until the streams have had their share of the time since so many bytes of a body came."""
        now = asyncio.get_running_loop().time()
        self._taken_in_at = max(now, self._taken_in_at) + size / _BYTES_A_SECOND
        await asyncio.sleep(self._taken_in_at - now)

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` on a thread of low priority, in its turn. Raises OverloadError: too many wait already."""
        if self._turns.locked() and self._waiting >= self._limit:
            raise OverloadError(f"scoring: {self._waiting} requests wait already (max_scoring_waiting)")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._turns.release()

    async def stream(self, job: Job, runner: StepRunner, source: BinaryIO) -> AsyncIterator[bytes]:
        """The answer to a job in pieces, by a process, in its turn.

        Args:
            session: of the model; the process opens its own on the same bytes.
            source: a file of the operating system, at its beginning; closed at the end.

        Raises:
            OverloadError: too many wait already.
            SkipRnnServiceError: as `score_job.run`; behind the first pieces, if it goes wrong in the middle.
        """
        pieces = _Pieces(asyncio.get_running_loop(), self._slow_client_timeout_seconds)
        task = asyncio.create_task(self.run(partial(self._in_process, job, runner, source, pieces)))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        task.add_done_callback(pieces.end)
        task.add_done_callback(lambda _: source.close())
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
        finally:
            pieces.leave()  # and do not wait: whoever leaves is cancelled at every await

    def _in_process(self, job: Job, runner: StepRunner, source: BinaryIO, pieces: "_Pieces") -> None:
        """On a thread. There is a process for each turn."""
        process = self._processes.pop()
        try:
            pieces.stop = process.stop
            pieces.check()
            process.run(job, runner, source, pieces.put)
        finally:
            pieces.stop = _nothing
            self._processes.append(process)

    async def close(self) -> None:
        """End the processes, and the threads after what they are doing."""
        for task in self._jobs:
            task.cancel()
        for process in self._processes:
            process.stop()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for process in self._processes:
            process.close()


def _nothing() -> None: ...


class _Pieces:
    """From a thread to a coroutine, a few ahead.

    Attributes:
        stop: ends what the thread waits for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, slow_client_timeout_seconds: float) -> None:
        self._loop, self._slow_client_timeout_seconds = loop, slow_client_timeout_seconds
        self._room, self._left = threading.Semaphore(_PIECES_AHEAD), False
        self._queue = asyncio.Queue[bytes | BaseException | None]()
        self.stop: Callable[[], None] = _nothing

    def put(self, piece: bytes) -> None:
        """On the thread: wait for room. Raises TooLargeError: the answer is not read; BrokenPipeError: nobody will."""
        if not self._room.acquire(timeout=self._slow_client_timeout_seconds):
            seconds = f"{self._slow_client_timeout_seconds:g} s (slow_client_timeout_seconds)"
            raise TooLargeError(f"the answer: expected to be read, nobody did for {seconds}")
        self.check()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, piece)

    def check(self) -> None:
        """On the thread. Raises BrokenPipeError: nobody reads the answer any more."""
        if self._left:
            raise BrokenPipeError

    def end(self, task: "asyncio.Task[None]") -> None:
        """That was all, or an error."""
        self._queue.put_nowait(asyncio.CancelledError() if task.cancelled() else task.exception())

    async def get(self) -> bytes | None:
        """The next piece; None: that was all. Raises what the thread raised."""
        piece = await self._queue.get()
        if isinstance(piece, BaseException):
            raise piece
        self._room.release()
        return piece

    def leave(self) -> None:
        """Nobody reads any more, so nobody waits for room."""
        self._left = True
        self.stop()
        self._room.release()
