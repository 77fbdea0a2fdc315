"""A `Driver` in a `LoopThread`, for a caller that gives samples and takes updates in its own thread.

The caller puts commands into the loop. Everything that the loop tells the caller goes through one queue, so it comes in
order: updates, each `Ready` and `Retry`, what follows from each block of samples, and at last the end of the stream.
"""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from contextlib import aclosing, suppress
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple, Self

from skiprnn_client.driver import Driver, OnReady
from skiprnn_client.handshake import Options, closed_here
from skiprnn_client.loop_thread import LoopThread
from skiprnn_client.messages import Ready, Update
from skiprnn_client.reconnect import Reconnect
from skiprnn_client.resumable_stream import ResumableStream
from skiprnn_client.retry import OnRetry, Retry
from skiprnn_client.samples import Block, NewSequence


class _Put(NamedTuple):
    """Samples, the first of index t."""

    block: Block | NewSequence
    t: int


class _Finish(NamedTuple):
    """There are no more samples; the next would have index t."""

    t: int
    end: bool


class _Accepted(NamedTuple):
    """A block is in the core, which can send another: index of the next update, and messages that may be sent."""

    wake: int
    free_slots: int


class _Ended(NamedTuple):
    """The stream is over; with an error or without."""

    error: BaseException | None


_Commands = asyncio.Queue[_Put | _Finish]
_Events = SimpleQueue[Update | Ready | Retry | _Accepted | _Ended]


class SyncDriver:
    """Runs a stream; leaving the block closes its connection.

    Attributes:
        ready: the first connection's; None before it.
        wake: index of the next sample that the network will update on; later it may be more.
        over: the stream has ended.
    """

    def __init__(
        self,
        core: ResumableStream,
        reconnect: Reconnect,
        options: Options,
        *,
        on_ready: OnReady | None,
        on_retry: OnRetry | None,
    ) -> None:
        self.ready: Ready | None = None
        self.wake, self.over = 0, False
        self._on_ready, self._on_retry = on_ready, on_retry
        self._pending, self._free_slots = (
            1,
            1,
        )  # blocks that are not accepted yet: the loop begins with an answer
        self._commands, self._events = _Commands(), (events := _Events())
        # The loop must not refer to this object: it would keep the thread from being closed with it.
        pump = partial(_run_pump, commands=self._commands, events=events)
        driver = Driver(core, reconnect, options, pump=pump, on_ready=events.put, on_retry=events.put)
        self._loop = LoopThread()
        reader = self._loop.start(_run_reader, driver, events)
        reader.add_done_callback(lambda reader: events.put(_Ended(_error(reader))))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.close()

    def start(self) -> Generator[Update, None, Ready]:
        """Wait for the first connection."""
        yield from self._until(lambda: not self._pending)
        assert self.ready is not None
        return self.ready

    def put(self, block: Block | NewSequence, *, t: int) -> Generator[Update, None, None]:
        """Send samples, and wait until another message may be sent: with a window of 1, for their updates."""
        self._pending += 1
        self._command(_Put(block, t))
        if isinstance(block, NewSequence):
            yield from self._until(lambda: not self._pending)  # from then on `wake` is the new sequence's
        else:
            yield from self._until(lambda: self._pending < self._free_slots)

    def finish(self, *, t: int, end: bool) -> Generator[Update, None, None]:
        """Everything is put in."""
        self._command(_Finish(t, end))
        yield from self._until(lambda: False)

    def _command(self, command: _Put | _Finish) -> None:
        with suppress(CancelledError):  # the loop is closed, and its last event says so
            self._loop.soon(self._commands.put_nowait, command)

    def _until(self, condition: Callable[[], bool]) -> Generator[Update, None, None]:
        """Take what the loop tells until something is so, or the stream is over; and all that is there by then."""
        while not self.over and not (condition() and self._events.empty()):
            match event := self._events.get():
                case Update():
                    yield event
                case Ready():
                    self._connected(event)
                case Retry():
                    if self._on_retry is not None:
                        self._on_retry(event)
                case _Accepted():
                    self.wake, self._free_slots = event
                    self._pending -= 1
                case _Ended(error):
                    self.over = True
                    if error is not None:
                        raise error

    def _connected(self, ready: Ready) -> None:
        self.ready = self.ready or ready
        if self._on_ready is not None:
            self._on_ready(ready)


def _error(reader: "Future[None]") -> BaseException | None:
    return closed_here() if reader.cancelled() else reader.exception()


async def _run_reader(driver: Driver, events: _Events) -> None:
    async with aclosing(driver.updates()) as updates:
        async for update in updates:
            events.put(update)


async def _run_pump(driver: Driver, *, commands: _Commands, events: _Events) -> None:
    core = driver.core
    events.put(_Accepted(core.wake, core.free_slots))
    while isinstance(command := await commands.get(), _Put):
        await driver.put(command.block, t=command.t)
        await driver.until(lambda: not core.window_full)
        events.put(_Accepted(core.wake, core.free_slots))
    core.next = command.t
    await driver.finish(end=command.end)
