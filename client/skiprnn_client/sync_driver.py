"""A `Driver` in a `LoopThread`, for a caller that gives samples and takes updates in its own thread.

The caller puts commands into the loop. Everything that the loop tells the caller goes through one queue, so it comes in
order: updates, each `Ready`, the `wake` after each command, and at last the end of the stream.
"""

import asyncio
from collections.abc import Generator
from contextlib import aclosing
from functools import partial
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self

from skiprnn_client.driver import Driver, OnReady
from skiprnn_client.handshake import Options, closed_here
from skiprnn_client.loop_thread import LoopThread
from skiprnn_client.messages import Floats, Ready, Update
from skiprnn_client.reconnect import Reconnect
from skiprnn_client.resumable_stream import ResumableStream
from skiprnn_client.samples import NewSequence


class _Put(NamedTuple):
    """Samples, the first of index t."""

    block: Floats | NewSequence
    t: int


class _Finish(NamedTuple):
    """There are no more samples; the next would have index t."""

    t: int
    end: bool


class _Over(NamedTuple):
    """The stream is over; with an error or without."""

    error: Exception | None


_Commands = asyncio.Queue[_Put | _Finish]
_Events = SimpleQueue[Update | Ready | int | _Over]


class SyncDriver:
    """Runs a stream; leaving the block closes its connection.

    Attributes:
        ready: the first connection's; None before it.
        wake: index of the next sample that the network will update on; later it may be more.
        over: the stream has ended.
    """

    def __init__(
        self, core: ResumableStream, reconnect: Reconnect, options: Options, *, on_ready: OnReady | None
    ) -> None:
        self.ready: Ready | None = None
        self.wake, self.over = 0, False
        self._on_ready = on_ready
        self._commands, self._events = _Commands(), _Events()
        # The loop must not refer to this object: it would keep the thread from being closed with it.
        pump = partial(_obey, commands=self._commands, events=self._events)
        driver = Driver(core, reconnect, options, pump=pump, on_ready=self._events.put)
        self._loop = LoopThread()
        self._loop.start(_tell, driver, self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.close()

    def start(self) -> Generator[Update, None, Ready]:
        """Wait for the first connection."""
        yield from self._wait()
        assert self.ready is not None
        return self.ready

    def put(self, block: Floats | NewSequence, *, t: int) -> Generator[Update, None, None]:
        """Send samples, and wait until another message may be sent: with a window of 1, for their updates."""
        self._loop.soon(self._commands.put_nowait, _Put(block, t))
        yield from self._wait()

    def finish(self, *, t: int, end: bool) -> Generator[Update, None, None]:
        """Everything is put in."""
        self._loop.soon(self._commands.put_nowait, _Finish(t, end))
        yield from self._wait()

    def _wait(self) -> Generator[Update, None, None]:
        """Until the loop has carried out a command."""
        while not self.over:
            match event := self._events.get():
                case Update():
                    yield event
                case Ready():
                    self._connected(event)
                case int():
                    self.wake = event
                    return
                case _Over(error):
                    self.over = True
                    if error is not None:
                        raise error

    def _connected(self, ready: Ready) -> None:
        self.ready = self.ready or ready
        if self._on_ready is not None:
            self._on_ready(ready)


async def _tell(driver: Driver, events: _Events) -> None:
    """The reader."""
    error: Exception | None = closed_here()
    try:
        async with aclosing(driver.updates()) as updates:
            async for update in updates:
                events.put(update)
        error = None
    except Exception as caught:
        error = caught
    finally:
        events.put(_Over(error))


async def _obey(driver: Driver, *, commands: _Commands, events: _Events) -> None:
    """The pump."""
    core = driver.core
    events.put(core.wake)
    while isinstance(command := await commands.get(), _Put):
        await driver.put(command.block, t=command.t)
        await driver.until(lambda: not core.window_full)
        events.put(core.wake)
    core.next = command.t
    await driver.finish(end=command.end)
