"""An event loop in a thread of its own: what the synchronous functions run the asynchronous client in."""

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from threading import Thread, current_thread
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_NAME = "skiprnn_client"  # how the names of all our threads begin


class LoopThread:
    """Runs coroutines for a caller that has no event loop.

    Closing it cancels everything that runs in it, waits until that has cleaned up, and joins the thread. Leaving the
    block closes it, and so do the garbage collector and the end of the interpreter: whichever comes first.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        thread = Thread(target=_run, args=(self._loop,), name=_NAME, daemon=True)
        self.close = weakref.finalize(self, _close, self._loop, thread)
        thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        return not self.close.alive

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Enter an asynchronous context manager, which is left when the loop is closed."""
        entered: Future[T] = Future()
        self.start(_hold(context, entered))
        return entered.result()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine without waiting for it. The loop must not be closed."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def soon(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call a function in the loop's thread."""
        self._loop.call_soon_threadsafe(callback, *arguments)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and wait for what it returns or raises. An interrupted wait cancels it."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


async def _hold(context: AbstractAsyncContextManager[T], entered: "Future[T]") -> None:
    try:
        async with context as value:
            entered.set_result(value)
            await asyncio.Event().wait()  # until it is cancelled
    except BaseException as error:
        if entered.done():
            raise
        entered.set_exception(error)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """The thread. asyncio's own executor could not be shut down at exit: that takes a new thread."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{_NAME}_resolver") as resolver:
        loop.set_default_executor(resolver)
        try:
            loop.run_forever()
            while tasks := asyncio.all_tasks(loop):
                loop.run_until_complete(_cancelled(tasks))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


async def _cancelled(tasks: set["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _close(loop: asyncio.AbstractEventLoop, thread: Thread) -> None:
    with suppress(RuntimeError):  # it is closed already
        loop.call_soon_threadsafe(loop.stop)
    if not current_thread().name.startswith(
        _NAME
    ):  # the garbage collector runs anywhere: they must not wait for each other
        thread.join()
