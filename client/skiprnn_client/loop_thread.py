"""An event loop in a thread of its own: what the synchronous functions run the asynchronous client in."""

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from threading import Thread, current_thread
from typing import Any, Self, TypeVar

T = TypeVar("T")
Work = Callable[..., Coroutine[Any, Any, T]]

_NAME = "skiprnn_client"  # how the names of all our threads begin


class LoopThread:
    """Runs coroutines for a caller that has no event loop. Its methods may be called from several threads.

    Closing it cancels everything that runs in it, waits until that has cleaned up, and joins the thread. Leaving the
    block closes it, and so do the garbage collector and the end of the interpreter, whichever comes first.
    """

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._tasks = set[asyncio.Task[None]]()  # a loop refers weakly to the tasks that wait
        self._pending = set[Future[Any]]()
        state = (self._loop, self._tasks, self._pending)
        thread = Thread(target=_run, args=state, name=_NAME, daemon=True)
        self.close = weakref.finalize(self, _close, self._loop, thread)
        thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def soon(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop's thread. Raises CancelledError if the loop is closed."""
        loop = self._loop.result()
        try:
            loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            raise CancelledError from None

    def start(self, work: Work[T], *arguments: Any) -> "Future[T]":
        """Run work(*arguments) without waiting for it. Closing the loop cancels the future."""
        future: Future[T] = Future()
        self._submit(future, _call, work, arguments)
        return future

    def call(self, work: Work[T], *arguments: Any) -> T:
        """What work(*arguments) returns or raises; CancelledError if the loop is closed. An interrupted wait cancels
        it."""
        result: T = self._result(_call, work, arguments)
        return result

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Enter an asynchronous context manager, which is left when the loop is closed."""
        result: T = self._result(_hold, context)
        return result

    def _result(self, work: Work[None], *arguments: Any) -> Any:
        """What `work` makes the result of the future that is its first argument."""
        future: Future[Any] = Future()
        try:
            self._submit(future, work, *arguments)
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _submit(self, future: "Future[Any]", work: Work[None], *arguments: Any) -> None:
        self._pending.add(future)  # first: a closed loop may have taken the callback, and will never run it
        future.add_done_callback(self._pending.discard)
        self.soon(_start, self._tasks, work, (future, *arguments))


# -- in the thread


def _run(
    future: "Future[asyncio.AbstractEventLoop]",
    tasks: set["asyncio.Task[None]"],
    pending: set["Future[Any]"],
) -> None:
    if not future.set_running_or_notify_cancel():
        return  # closed already
    try:
        loop = asyncio.new_event_loop()
    except OSError as error:
        future.set_exception(error)
        return
    # Not asyncio's own executor: to shut that down takes a new thread, which the interpreter does not start at exit.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{_NAME}_resolver") as resolver:
        loop.set_default_executor(resolver)
        future.set_result(loop)
        try:
            loop.run_forever()
            _cancel_all(loop, tasks)
            loop.run_until_complete(loop.shutdown_asyncgens())
            _cancel_all(loop, tasks)  # those that another thread has started meanwhile
        finally:
            loop.close()
            for never_started in pending.copy():
                never_started.cancel()


def _cancel_all(loop: asyncio.AbstractEventLoop, tasks: set["asyncio.Task[None]"]) -> None:
    while left := tasks | asyncio.all_tasks(loop):
        loop.run_until_complete(_cancelled(left))


async def _cancelled(tasks: set["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _start(tasks: set["asyncio.Task[None]"], work: Work[None], arguments: tuple[Any, ...]) -> None:
    task = asyncio.get_running_loop().create_task(work(*arguments))
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _call(future: "Future[T]", work: Work[T], arguments: tuple[Any, ...]) -> None:
    if future.cancelled():
        return  # the wait was interrupted before this began
    with _answering(future):
        future.set_result(await work(*arguments))


async def _hold(future: "Future[T]", context: AbstractAsyncContextManager[T]) -> None:
    with _answering(future):
        async with context as value:
            future.set_result(value)
            await asyncio.Event().wait()  # until this task is cancelled


@contextmanager
def _answering(future: "Future[Any]") -> Iterator[None]:
    """The current task's error is the future's, and cancelling the future cancels the task."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    future.add_done_callback(lambda future: future.cancelled() and loop.call_soon_threadsafe(task.cancel))
    try:
        yield
    except asyncio.CancelledError:
        future.cancel()
        raise
    except Exception as error:
        with suppress(InvalidStateError):  # it was cancelled just now, or has its result
            future.set_exception(error)


# -- in any thread


def _close(future: "Future[asyncio.AbstractEventLoop]", thread: Thread) -> None:
    if not future.cancel():
        with suppress(OSError, RuntimeError):  # there is no loop, or it is closed
            future.result().call_soon_threadsafe(future.result().stop)
    # The garbage collector may run this in one of our threads: those must not wait for each other.
    if not current_thread().name.startswith(_NAME):
        with suppress(RuntimeError):  # interrupted before it had started
            thread.join()
