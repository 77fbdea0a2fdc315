"""The thread that the synchronous functions run the asynchronous client in, and how it ends."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from threading import Event, Thread
from threading import enumerate as threads
from typing import Any

import pytest

from skiprnn_client.loop_thread import LoopThread


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Any:
    yield
    gc.collect()
    assert [thread.name for thread in threads() if thread.name.startswith("skiprnn_client")] == []


async def double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


async def fail() -> None:
    raise OSError("broken")


class Held:
    """Says when it was entered, and when it was left."""

    def __init__(self) -> None:
        self.entered, self.left = Event(), Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Held"]:
        self.entered.set()
        try:
            yield self
        finally:
            await asyncio.sleep(0.01)  # cleaning up may wait
            self.left.set()

    async def wait(self) -> None:
        async with self.open():
            await asyncio.Event().wait()


def test_a_call_returns_or_raises_what_the_coroutine_does() -> None:
    with LoopThread() as loop:
        assert loop.call(double, 3) == 6
        with pytest.raises(OSError, match="broken"):
            loop.call(fail)


def test_a_host_name_is_resolved() -> None:
    async def resolve() -> Any:
        return await asyncio.get_running_loop().getaddrinfo("localhost", 80)

    with LoopThread() as loop:
        assert loop.call(resolve)


def test_what_was_entered_is_left_when_the_loop_is_closed() -> None:
    held = Held()
    with LoopThread() as loop:
        assert loop.enter(held.open()) is held
        gc.collect()
        assert not held.left.is_set()
    assert held.left.is_set()
    with pytest.raises(CancelledError):
        loop.call(double, 3)


def test_what_cannot_be_entered_raises() -> None:
    @asynccontextmanager
    async def shut() -> AsyncIterator[None]:
        await fail()
        yield

    with LoopThread() as loop, pytest.raises(OSError, match="broken"):
        loop.enter(shut())


def test_closing_cancels_whatever_runs_and_waits_until_it_has_cleaned_up() -> None:
    several = [Held() for _ in range(20)]
    with LoopThread() as loop:
        for held in several:
            loop.start(held.wait)
        assert all(held.entered.wait(10) for held in several)
    assert all(held.left.is_set() for held in several)


def test_a_loop_may_be_closed_at_once_and_more_than_once() -> None:
    for _ in range(200):
        loop = LoopThread()
        loop.close()
        loop.close()


def test_a_caller_that_waits_is_told_when_the_loop_is_closed() -> None:
    loop, held, told = LoopThread(), Held(), Event()

    def wait() -> None:
        try:
            loop.call(held.wait)
        except CancelledError:
            told.set()

    waiting = Thread(target=wait)
    waiting.start()
    assert held.entered.wait(10)
    loop.close()
    waiting.join(10)
    assert told.is_set()


def test_a_call_while_another_thread_closes_the_loop_ends_with_cancelled_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The moments between two bytecodes: callbacks that the loop takes and never runs."""
    interval, told = sys.getswitchinterval(), list[BaseException]()

    def calls(loop: LoopThread) -> None:
        try:
            while True:
                loop.call(double, 1)
        except BaseException as error:
            told.append(error)

    sys.setswitchinterval(1e-6)
    try:
        for number in range(400):
            loop = LoopThread()
            caller = Thread(target=calls, args=(loop,), daemon=True)
            caller.start()
            Event().wait(0.0005 * (number % 5))
            loop.close()
            caller.join(10)
            assert not caller.is_alive(), f"the call hangs, after {number} that did not"
    finally:
        sys.setswitchinterval(interval)
    assert {type(error) for error in told} == {CancelledError}
    gc.collect()
    assert caplog.text == ""  # no task is destroyed while it is pending


def test_what_a_closed_loop_is_given_is_cancelled() -> None:
    loop = LoopThread()
    loop.close()
    for use in (loop.call, loop.start, loop.soon):
        with pytest.raises(CancelledError):
            use(double, 3)
    with pytest.raises(CancelledError):
        loop.enter(Held().open())


def test_the_future_of_what_runs_is_cancelled_with_the_loop() -> None:
    with LoopThread() as loop:
        running, done = loop.start(Held().wait), loop.start(double, 3)
        assert done.result(10) == 6
    assert running.cancelled()


def test_a_loop_that_is_dropped_closes() -> None:
    held, loop = Held(), LoopThread()
    loop.start(held.wait)
    assert held.entered.wait(10)
    del loop
    assert held.left.is_set()


def test_the_garbage_collector_may_drop_it_in_its_own_thread() -> None:
    held, loop = Held(), LoopThread()
    loop.start(held.wait)
    assert held.entered.wait(10)
    other, ring = LoopThread(), [loop]
    ring.append(ring)  # type: ignore[arg-type]
    run = other.soon
    gc.disable()
    try:
        del loop, ring
        run(gc.collect)  # in a thread of ours, of another loop
        assert held.left.wait(10)
    finally:
        gc.enable()
        other.close()
    for thread in threads():
        if thread.name.startswith("skiprnn_client"):
            thread.join(10)
