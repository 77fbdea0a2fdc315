"""Decides when and where scoring runs, so that streams do not slow down.

    small    bodies of a mebibyte at most: a few kilobytes of JSON or NDJSON on a thread (ONNX Runtime releases the
             interpreter lock while it computes), all others in a process: what is in them may bring down the library
             that reads them
    large    in a process: parsing and writing megabytes would hold that lock for long

Each has its own turns, its own queue and its own processes, so a small request does not wait for a large one. All run
at low priority.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import IO, TypeVar

from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import OverloadError
from skiprnn_service.scoring.job import Job, Outcome
from skiprnn_service.scoring.process import Limits, ScoreProcess, cpu_error, lower_priority
from skiprnn_service.scoring.spool import Spool

T = TypeVar("T")

_BYTES_A_SECOND = 1 << 23  # of large bodies, all together: streams wait while a chunk is received


class Stop:
    """Ends work on a thread, which calls it now and then: nothing else can.

    Args:
        cpu_seconds: that the work may take.
    """

    def __init__(self, cpu_seconds: float) -> None:
        self._cpu_seconds, self._until = cpu_seconds, 0.0
        self._stopped = threading.Event()

    def set(self) -> None:
        """The client has disconnected."""
        self._stopped.set()

    def __call__(self) -> None:
        """Called by the thread. Raises StoppedError, TooLargeError."""
        if self._stopped.is_set():
            raise StoppedError
        now = time.thread_time()
        self._until = self._until or now + self._cpu_seconds
        if now > self._until:
            raise cpu_error(self._cpu_seconds)


class StoppedError(Exception):
    """The client disconnected while its request was scored."""


class Lane:
    """Jobs that wait for the same turns.

    Args:
        at_once: jobs that run at a time.
        waiting: further ones that wait for their turn; more are rejected.

    Attributes:
        capacity: `waiting`.
        running: jobs that have their turn.
    """

    def __init__(self, *, at_once: int, waiting: int, priority: str, limits: Limits) -> None:
        self.capacity, self.running = waiting, 0
        self._limit, self._places = at_once + waiting, 0
        self._turns = asyncio.Semaphore(at_once)
        threads = "low" if priority == "idle" else priority  # they hold locks of streams
        self._threads = ThreadPoolExecutor(
            at_once, "skiprnn-score", initializer=lower_priority, initargs=(threads,)
        )
        self._processes = [ScoreProcess(priority=priority, limits=limits) for _ in range(at_once)]

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue for the length of the block. Raises OverloadError: too many wait."""
        if self._places >= self._limit:
            raise OverloadError(f"scoring: {self.capacity} requests wait already (max_scoring_waiting)")
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    @property
    def queued(self) -> int:
        """Places of jobs that do not run: they wait for their turn, or their body is still being received."""
        return max(self._places - self.running, 0)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until it is the caller's turn, which the methods below need."""
        async with self._turns:
            self.running += 1
            try:
                yield
            finally:
                self.running -= 1

    async def run(self, work: Callable[[], T], *, stop: Stop | None = None) -> T:
        """Call `work` on a thread of low priority; cancelling it sets `stop`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except asyncio.CancelledError:
            if stop is not None:
                stop.set()
            raise

    async def in_process(self, job: Job, runner: StepRunner, source: IO[bytes], sink: IO[bytes]) -> Outcome:
        """`ScoreProcess.run`; cancelling it ends the job."""
        process = self._processes.pop()  # there is one for each turn
        try:
            return await process.run(job, runner, source, sink)
        finally:
            self._processes.append(process)

    async def close(self) -> None:
        """End the processes, and the threads after their current work."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for process in self._processes:
            process.close()


class Scoring:
    """Runs scoring work off the event loop.

    Args:
        at_once, waiting: of small requests, and of large ones.
        priority: of processes, as `ScoreProcess`. Threads are "low" where those are "idle".
        limits: of a process, and of the processor time of a request.
        spool_bytes: of bodies and answers on the disk, in all requests.

    Attributes:
        lanes: name → lane: `small` and `large`.
        spool: those bytes.
    """

    def __init__(
        self,
        *,
        at_once: int,
        waiting: int,
        priority: str = "idle",
        limits: Limits,
        spool_bytes: int,
    ) -> None:
        self.small, self.large = (
            Lane(at_once=at_once, waiting=waiting, priority=priority, limits=limits) for _ in range(2)
        )
        self.lanes = {"small": self.small, "large": self.large}
        self.limits, self.spool = limits, Spool(spool_bytes, setting="max_spool_bytes")
        self._received_until = 0.0  # when the bodies that came so far should have come

    async def pace(self, size: int) -> None:
        """Wait until streams have had their share of the time since `size` bytes of a body came."""
        now = asyncio.get_running_loop().time()
        self._received_until = max(now, self._received_until) + size / _BYTES_A_SECOND
        await asyncio.sleep(self._received_until - now)

    async def run(self, work: Callable[[], T], *, stop: Stop | None = None) -> T:
        """`Lane.run` of small work, in its turn. Raises OverloadError: too many jobs wait."""
        with self.small.place():
            async with self.small.turn():
                return await self.small.run(work, stop=stop)

    async def close(self) -> None:
        """End all processes, and the threads after their current work."""
        await self.small.close()
        await self.large.close()
