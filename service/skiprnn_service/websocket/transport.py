"""What a stream's connection needs of a websocket, and an implementation for every ASGI server.

`Transport` is the contract. Messages come in by a callback, not by awaiting: a reply that needs no inference goes out
before the callback returns, without a task, future or queue in between. `server/websocket_protocol.py` implements it on
uvicorn for a few microseconds a message; `AsgiTransport` implements it on any server, with that server's queues.
"""

import asyncio
import sys
from collections.abc import Callable
from typing import Any, Protocol

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

OnMessage = Callable[[bytes, bool], None]  # payload, is it text (then UTF-8)?
OnFull = Callable[[bool], None]  # too many bytes wait to be sent, or no longer

EXTENSION = "skiprnn.transport"  # key in scope["extensions"] under which a server offers a Transport


class Transport(Protocol):
    """One websocket after its handshake. All methods belong to the event loop's thread.

    Attributes:
        buffered: bytes that were sent and have not left this process yet.
    """

    @property
    def buffered(self) -> int: ...

    def send(self, data: bytes | str) -> None:
        """Send a message: bytes as binary, str as text. Never waits; after the end it does nothing."""

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame behind everything sent so far (RFC 6455 section 7.1.2)."""

    def abort(self) -> None:
        """Drop the connection at once, unsent data and all."""

    def limit(self, high_water_bytes: int, on_full: OnFull) -> None:
        """Call on_full(True) when more bytes wait to be sent, and on_full(False) when half of that or less do."""

    def pause(self) -> None:
        """Take no more messages until `resume`: TCP slows the client down."""

    def resume(self) -> None:
        """Take messages again."""

    async def run(self, on_message: OnMessage) -> int:
        """Hand every message to the callback until the connection ends; returns the close code (1006: none came).

        What the callback raises ends the connection and is raised here.
        """


def transport_of(websocket: WebSocket) -> Transport:
    """The server's own transport where it has one (`EXTENSION`), else one on plain ASGI. Call after `accept`."""
    offered: Transport | None = (websocket.scope.get("extensions") or {}).get(EXTENSION)
    return offered or AsgiTransport(websocket)


class AsgiTransport:
    """A Transport on ASGI messages alone: one task writes what `send` collects."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._outgoing: list[Message] = []
        self._more = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()
        self._over = False
        self._tasks: tuple[asyncio.Task[Any], ...] = ()
        self._high_water, self._full = sys.maxsize, False
        self._on_full: OnFull = lambda _: None
        self.buffered = 0

    def send(self, data: bytes | str) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        self._push({"type": "websocket.send", kind: data}, len(data))

    def close(self, code: int, reason: str = "") -> None:
        self._push({"type": "websocket.close", "code": code, "reason": reason}, 0)

    def limit(self, high_water_bytes: int, on_full: OnFull) -> None:
        self._high_water, self._on_full = high_water_bytes, on_full

    def pause(self) -> None:
        self._readable.clear()

    def resume(self) -> None:
        self._readable.set()

    def abort(self) -> None:
        self._over = True
        for task in self._tasks:
            task.cancel()

    async def run(self, on_message: OnMessage) -> int:
        reader, writer = asyncio.create_task(self._read(on_message)), asyncio.create_task(self._write())
        self._tasks = (reader, writer)
        try:
            await asyncio.wait([reader])
        finally:
            reader.cancel()
            self._over = True
            self._more.set()
            await asyncio.wait([writer])
        return 1006 if reader.cancelled() else reader.result()

    async def _read(self, on_message: OnMessage) -> int:
        while True:
            await self._readable.wait()
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                code: int = message.get("code", 1006)
                return code
            data = message.get("bytes")
            on_message(message["text"].encode() if data is None else data, data is None)

    def _push(self, message: Message, size: int) -> None:
        if not self._over:
            self._outgoing.append(message)
            self._more.set()
            self._count(size)

    def _count(self, size: int) -> None:
        self.buffered += size
        full = self.buffered > (self._high_water // 2 if self._full else self._high_water)
        if full != self._full:
            self._full = full
            self._on_full(full)

    async def _write(self) -> None:
        """Send until the connection is over; what is left then is dropped."""
        try:
            while await self._more.wait() and (self._outgoing or not self._over):
                self._more.clear()
                batch, self._outgoing = self._outgoing, []
                for message in batch:
                    await self._websocket.send(message)
                    self._count(-len(message.get("text") or message.get("bytes") or b""))
        except (WebSocketDisconnect, RuntimeError, OSError):  # the peer is gone: `_read` gets that too
            self._over = True
            self._outgoing.clear()
