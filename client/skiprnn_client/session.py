"""One stream over as many connections as it takes, asynchronous: sockets and waiting around `ExactlyOnce`.

Three tasks meet at the core: the reader (whoever iterates over `updates`) connects and receives, a sender sends on
each connection, and the pump puts samples in. Each tells the others that something changed.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from skiprnn_client.connection import opened
from skiprnn_client.dialer import Dialer
from skiprnn_client.errors import ClientError, StreamClosed
from skiprnn_client.exactly_once import ExactlyOnce
from skiprnn_client.handshake import Options, closed, moving, resuming
from skiprnn_client.messages import KEEPALIVE, Ready, Update

OnReady = Callable[[Ready], None]

log = logging.getLogger("skiprnn_client")


class Session:
    """Runs a stream.

    Args:
        pump: puts everything in and ends the stream or leaves it; started once the first connection is open.
        on_ready: called with what the server says first, on every connection.
    """

    def __init__(
        self,
        core: ExactlyOnce,
        dialer: Dialer,
        options: Options,
        *,
        pump: Callable[["Session"], Awaitable[None]],
        on_ready: OnReady | None,
    ) -> None:
        self.core, self._dialer, self._options, self._on_ready = core, dialer, options, on_ready
        self._run = pump
        self._changed = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._pump: asyncio.Task[None] | None = None
        self._failed: Exception | None = None

    async def updates(self) -> AsyncGenerator[Update, None]:
        """Each update once, in order, whatever breaks in between."""
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

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def changed(self) -> None:
        """Something was put into the core."""
        self._changed.set()

    async def leave(self) -> None:
        """The pump is done, and so is the stream."""
        self.core.leave()
        if self._socket is not None:
            await self._socket.close()

    # -- inside

    async def _lost(self, error: StreamClosed) -> None:
        if self.core.over:
            return
        self.core.lost(error)
        log.info("stream %s: %s; connecting again", self._options.get("stream_id"), error)
        await asyncio.sleep(self._dialer.lost(error))

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
                found = await stack.enter_async_context(opened(self._dialer.url, self._options))
            except ClientError as error:
                seconds = self._dialer.failed(error)
                log.info("%s; next try in %.1f s", error, seconds)
                await asyncio.sleep(seconds)
            else:
                self._dialer.opened()
                return found

    async def _receive(
        self, socket: ClientConnection, updates: Sequence[Update]
    ) -> AsyncGenerator[Update, None]:
        self.changed()
        for update in updates:
            yield update
        while not self.core.over and not self.core.leaving:
            updates = self.core.received(await socket.recv())
            self._dialer.heard()
            self.changed()
            for update in updates:
                yield update
        if not self.core.over:
            raise moving()

    async def _send(self, socket: ClientConnection, ready: Ready) -> None:
        """Send what there is to send, and a keepalive where there has been nothing for long."""
        idle = ready.limits.get("idle_timeout_seconds")
        try:
            while True:
                for message in self.core.outgoing():
                    await socket.send(message)
                try:
                    async with asyncio.timeout(idle and idle / 3):
                        await self.until(lambda: self.core.sendable)
                except TimeoutError:
                    await socket.send(KEEPALIVE)
        except ConnectionClosed:
            return  # the reader hears of it too, and why

    async def _pumped(self) -> None:
        """What a source raises is raised after the updates of what it gave before."""
        try:
            await self._run(self)
        except Exception as error:
            await self.until(lambda: self.core.quiet)
            self._failed = error
            await self.leave()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
