"""Whose turn it is to score: never so many at once, and so eagerly, that streams feel it."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from skiprnn_service.errors import OverloadError

T = TypeVar("T")

NICE = 10  # added to the niceness of whoever scores: streams go first where the processor is short


class Scoring:
    """Runs scoring work off the event loop.

    Args:
        at_once: pieces of work that run at a time.
        waiting: further ones that wait for their turn; more are refused.
    """

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self._limit, self._waiting = waiting, 0
        self._turns = asyncio.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, "skiprnn-score", initializer=_step_back)

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` on a thread of low priority, in its turn. Raises OverloadError: too many wait already."""
        async with self.turn():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

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

    def close(self) -> None:
        """Let go of the threads, after what they are doing."""
        self._threads.shutdown(cancel_futures=True)


def _step_back() -> None:
    """On Linux niceness is a thread's own (setpriority(2), "C library/kernel differences")."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
