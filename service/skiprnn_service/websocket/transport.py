"""What a stream's connection needs of a websocket, and the way that works on every ASGI server.

`Transport` is the contract. Messages come in by a callback, not by awaiting: a reply that needs no inference goes out
before the callback returns, and no task, future or queue stands between. `wire.py` gives this on uvicorn at the price
of a few microseconds a message; `AsgiTransport` gives it on any server, at the price of its queues.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

OnMessage = Callable[[bytes, bool], None]  # payload, is it text (then UTF-8)?

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

    def pause(self) -> None:
        """Take no more messages until `resume`: the client is slowed down by TCP."""

    def resume(self) -> None:
        """Take messages again."""

    async def run(self, on_message: OnMessage) -> int:
        """Hand every message to the callback until the connection ends; returns the close code (1006: none came).

        What the callback raises ends the connection and is raised here.
        """


def transport_of(websocket: WebSocket) -> Transport:
    """The server's own transport where it has one (`wire.py`), else one on plain ASGI. Call after `accept`."""
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
        self.buffered = 0

    def send(self, data: bytes | str) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        self._push({"type": "websocket.send", kind: data}, len(data))

    def close(self, code: int, reason: str = "") -> None:
        self._push({"type": "websocket.close", "code": code, "reason": reason}, 0)

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
            self.buffered += size
            self._more.set()

    async def _write(self) -> None:
        """Send until the connection is over; what is left then goes to nobody."""
        try:
            while await self._more.wait() and (self._outgoing or not self._over):
                self._more.clear()
                batch, self._outgoing = self._outgoing, []
                for message in batch:
                    await self._websocket.send(message)
                    self.buffered -= len(message.get("text") or message.get("bytes") or b"")
        except (WebSocketDisconnect, RuntimeError, OSError):  # the peer has gone: `_read` hears of it
            self._over = True
            self._outgoing.clear()
