"""Whose turn it is to score, and where: never so many at once, nor so eagerly, that streams feel it.

    run       small work, on a thread: its numbers come from ONNX Runtime, which lets go of the interpreter's lock
    stream    large jobs, in a process of their own: parsing and writing megabytes would hold that lock for long

Both at low priority.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import BinaryIO, NamedTuple, TypeVar

import msgspec

from skiprnn_service.errors import OverloadError, TooLargeError
from skiprnn_service.score_job import Job, Program, problem_from
from skiprnn_service.session import StepSession

T = TypeVar("T")

NICE = 10  # added to the niceness of whoever scores: streams go first where the processor is short

_PIECE = 65_536  # bytes of an answer that are sent at once
_PIECES_AHEAD = 4  # then the process waits
_LAST_WORDS = 65_536  # bytes of standard error that are looked at


class Scoring:
    """Runs scoring work off the event loop.

    Args:
        at_once: pieces of work that run at a time.
        waiting: further ones that wait for their turn; more are refused.
        slow_seconds: how long the reader of an answer may take for a piece of it: others are waiting.
    """

    def __init__(self, *, at_once: int, waiting: int, slow_seconds: float = 30) -> None:
        self._limit, self._waiting, self._slow_seconds = waiting, 0, slow_seconds
        self._turns = asyncio.Semaphore(at_once)
        self._pumps = set[asyncio.Task[None]]()
        self._threads = ThreadPoolExecutor(at_once, "skiprnn-score", initializer=_step_back)

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` on a thread of low priority, in its turn. Raises OverloadError: too many wait already."""
        async with self.turn():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def stream(self, job: Job, session: StepSession, source: BinaryIO) -> AsyncIterator[bytes]:
        """The answer to a job in pieces, by a process of low priority, in its turn.

        Args:
            session: of the model; the process opens its own.
            source: a file of the operating system, at its beginning; it is closed at the end.

        Raises:
            OverloadError: too many wait already.
            SkipRnnServiceError: as `score_job.run`; behind the first pieces, if it goes wrong in the middle.
        """
        pieces = asyncio.Queue[bytes | Exception | None](_PIECES_AHEAD)
        pump = asyncio.create_task(self._pump(job, session, source, pieces))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)
        pump.add_done_callback(lambda _: source.close())
        try:
            while (piece := await pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            pump.cancel()  # and do not wait: whoever leaves is cancelled at every await

    async def _pump(
        self,
        job: Job,
        session: StepSession,
        source: BinaryIO,
        pieces: "asyncio.Queue[bytes | Exception | None]",
    ) -> None:
        """A turn lasts until the process is done, or its answer was not read for too long."""
        try:
            async with self.turn(), _working(job, session, source) as worker:
                while piece := await worker.scores.read(_PIECE):
                    await asyncio.wait_for(pieces.put(piece), self._slow_seconds)
                last = await worker.last_line
                end = problem_from(last) if await worker.process.wait() else None
        except TimeoutError:
            while not pieces.empty():
                pieces.get_nowait()
            end = TooLargeError(f"the answer was not read for {self._slow_seconds:g} s (slow_client_seconds)")
        except Exception as error:
            await pieces.put(error)
            return
        await pieces.put(end)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn; it lasts as long as the block. Raises OverloadError: too many wait already."""
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
        """End the processes, and the threads after what they are doing."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)


class _Worker(NamedTuple):
    """`score_job` at work: its standard output, and the last line of its standard error when that has ended."""

    process: asyncio.subprocess.Process
    scores: asyncio.StreamReader
    last_line: asyncio.Task[bytes]


@asynccontextmanager
async def _working(job: Job, session: StepSession, source: BinaryIO) -> AsyncIterator[_Worker]:
    """The process, killed at the end of the block if it is still at work."""
    process = await _started(job, session, source)
    assert process.stdout is not None
    assert process.stderr is not None
    worker = _Worker(process, process.stdout, asyncio.create_task(_last_line(process.stderr)))
    try:
        yield worker
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        while await process.stdout.read(_PIECE):  # its pipes are closed when they were read to the end
            pass
        await worker.last_line
        await process.wait()


async def _started(job: Job, session: StepSession, source: BinaryIO) -> asyncio.subprocess.Process:
    with tempfile.TemporaryFile() as model:
        model.write(session.bundle.model)
        model.seek(0)
        exact = session.batching == "exact"
        program = Program(job, model.fileno(), exact, max_batch=session.max_batch, nice=NICE)
        said = msgspec.json.encode(program).decode()
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "skiprnn_service.score_job", said),
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(model.fileno(),),
            start_new_session=True,  # Ctrl-C is for the server: it drains
        )


async def _last_line(stderr: asyncio.StreamReader) -> bytes:
    words = b""
    while more := await stderr.read(_LAST_WORDS):
        words = (words + more)[-_LAST_WORDS:]
    lines = words.strip().splitlines()
    return lines[-1] if lines else b""


def _step_back() -> None:
    """On Linux niceness is a thread's own (setpriority(2), "C library/kernel differences")."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
