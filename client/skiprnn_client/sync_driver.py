"""A `Driver` in a `LoopThread`, for a caller that gives samples and takes updates in its own thread.

The caller puts commands into the loop. Everything that the loop tells the caller goes through one queue, so it comes in
order: updates, each `Ready`, what follows from each block of samples, and at last the end of the stream.
"""

import asyncio
from collections.abc import Callable, Generator
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


class _Taken(NamedTuple):
    """A block is in the core, which has room for more: index of the next update, and messages that may be sent."""

    wake: int
    room: int


class _Over(NamedTuple):
    """The stream is over; with an error or without."""

    error: Exception | None


_Commands = asyncio.Queue[_Put | _Finish]
_Events = SimpleQueue[Update | Ready | _Taken | _Over]


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
        self._pending, self._room = 1, 1  # blocks that are not taken yet: the loop begins with an answer
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
        yield from self._until(lambda: not self._pending)
        assert self.ready is not None
        return self.ready

    def put(self, block: Floats | NewSequence, *, t: int) -> Generator[Update, None, None]:
        """Send samples, and wait until another message may be sent: with a window of 1, for their updates."""
        self._pending += 1
        self._loop.soon(self._commands.put_nowait, _Put(block, t))
        if isinstance(block, NewSequence):
            yield from self._until(lambda: not self._pending)  # from then on `wake` is the new sequence's
        else:
            yield from self._until(lambda: self._pending < self._room)

    def finish(self, *, t: int, end: bool) -> Generator[Update, None, None]:
        """Everything is put in."""
        self._loop.soon(self._commands.put_nowait, _Finish(t, end))
        yield from self._until(lambda: False)

    def _until(self, condition: Callable[[], bool]) -> Generator[Update, None, None]:
        """Take what the loop tells until something is so, or the stream is over; and all that is there by then."""
        while not self.over and not (condition() and self._events.empty()):
            match event := self._events.get():
                case Update():
                    yield event
                case Ready():
                    self._connected(event)
                case _Taken():
                    self.wake, self._room = event
                    self._pending -= 1
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
    events.put(_Taken(core.wake, core.room))
    while isinstance(command := await commands.get(), _Put):
        await driver.put(command.block, t=command.t)
        await driver.until(lambda: not core.window_full)
        events.put(_Taken(core.wake, core.room))
    core.next = command.t
    await driver.finish(end=command.end)
