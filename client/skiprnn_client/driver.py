"""One stream over as many connections as it takes, asynchronous: sockets and waiting around `ResumableStream`.

Three tasks share the core: the reader (the one that iterates over `updates`) connects and receives, a sender sends on
each connection, and the pump puts samples in. Each tells the others when something has changed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from skiprnn_client.connection import close_socket, opened
from skiprnn_client.errors import ClientError, StreamClosed
from skiprnn_client.handshake import Options, closed, moving, resuming
from skiprnn_client.messages import KEEPALIVE, Ready, Update
from skiprnn_client.reconnect import Reconnect
from skiprnn_client.resumable_stream import ResumableStream
from skiprnn_client.retry import OnRetry, Retry
from skiprnn_client.samples import Block, NewSequence

OnReady = Callable[[Ready], None]

log = logging.getLogger("skiprnn_client")


class Driver:
    """Runs a stream.

    Args:
        pump: puts everything in, then calls `finish`; started once the first connection is open.
        on_ready: called with the server's first message on every connection.
        on_retry: called before each wait for another try.
    """

    def __init__(
        self,
        core: ResumableStream,
        reconnect: Reconnect,
        options: Options,
        *,
        pump: Callable[["Driver"], Awaitable[None]],
        on_ready: OnReady | None,
        on_retry: OnRetry | None,
    ) -> None:
        self.core, self._reconnect, self._options = core, reconnect, options
        self._on_ready, self._on_retry = on_ready, on_retry
        self._run = pump
        self._changed = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._pump: asyncio.Task[None] | None = None
        self._failed: Exception | None = None

    async def updates(self) -> AsyncGenerator[Update, None]:
        """Each update once, in order, across all connections."""
        try:
            while not self.core.over:
                try:
                    async with self._connected() as news:
                        async for update in news:
                            yield update
                except ConnectionClosed as error:
                    await self._lost(closed(error))
            if self._failed is not None:
                raise self._failed
        finally:
            if self._pump is not None:
                await _stop(self._pump)

    # -- for the pump

    async def put(self, block: Block | NewSequence, *, t: int | None = None) -> None:
        """Send samples [n, F], the first of index t (None: `core.next`), once the core can send: replies until then
        may tell of a later `wake`."""
        core = self.core
        if isinstance(block, NewSequence):
            await self.until(lambda: core.idle)
            core.reset()
        else:
            await self.until(lambda: core.can_send)
            core.put(block, t=t)
        self._changed.set()

    async def finish(self, *, end: bool) -> None:
        """Everything is put in: end the stream once all is answered, or close the connection."""
        core = self.core
        await self.until(lambda: core.idle)
        if end:
            core.end()
            self._changed.set()
            return
        core.flush()
        self._changed.set()
        await self.until(lambda: core.idle)
        await self._abandon()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    # -- inside

    async def _abandon(self) -> None:
        self.core.abandon()
        if self._socket is not None:
            await close_socket(self._socket)

    async def _lost(self, error: StreamClosed) -> None:
        if self.core.over:
            return
        self.core.lost(error)
        await self._wait(self._reconnect.lost(error), error)

    async def _wait(self, seconds: float, error: ClientError) -> None:
        """Say that another try follows, and why; then wait for it."""
        retry = Retry(self._reconnect.attempts, seconds, str(error))
        name = self._options.get("stream_id")
        where = f"stream {name}: " if name else ""
        log.info("%s%s; connecting again in %.1f s (attempt %d)", where, error, seconds, retry.attempt)
        if self._on_retry is not None:
            self._on_retry(retry)
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncGenerator[Update, None]]:
        """A connection, and the updates that come by it."""
        async with AsyncExitStack() as stack:
            socket, ready = await self._open(stack)
            updates = self.core.connected(ready)
            self._options = resuming(self._options, ready)
            if self._on_ready is not None:
                self._on_ready(ready)
            self._socket = socket
            sender = asyncio.create_task(self._send(socket, ready))
            self._pump = self._pump or asyncio.create_task(self._pumped())
            news = self._receive(socket, updates)
            try:
                yield news
            finally:
                self._socket = None
                await news.aclose()
                await _stop(sender)

    async def _open(self, stack: AsyncExitStack) -> tuple[ClientConnection, Ready]:
        while True:
            try:
                found = await stack.enter_async_context(opened(self._reconnect.url, self._options))
            except ClientError as error:
                await self._wait(self._reconnect.failed(error), error)
            else:
                self._reconnect.opened()
                return found

    async def _receive(
        self, socket: ClientConnection, updates: Sequence[Update]
    ) -> AsyncGenerator[Update, None]:
        self._changed.set()
        for update in updates:
            yield update
        while not self.core.over and not self.core.moving_away:
            updates = self.core.received(await socket.recv())
            self._reconnect.answered()
            self._changed.set()
            for update in updates:
                yield update
        if not self.core.over:
            raise moving()

    async def _send(self, socket: ClientConnection, ready: Ready) -> None:
        """Send what there is to send, and a keepalive after a third of the idle timeout without anything to send."""
        idle_timeout = ready.limits.get("idle_timeout_seconds")
        try:
            while True:
                for message in self.core.outgoing():
                    await socket.send(message)
                try:
                    async with asyncio.timeout(idle_timeout and idle_timeout / 3):
                        await self.until(lambda: self.core.sendable)
                except TimeoutError:
                    await socket.send(KEEPALIVE)
        except ConnectionClosed:
            return  # the reader raises it too, with the reason

    async def _pumped(self) -> None:
        """An error of the source is raised after the updates of the samples before it."""
        try:
            await self._run(self)
        except Exception as error:
            await self.until(lambda: self.core.idle)
            self._failed = error
            await self._abandon()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
