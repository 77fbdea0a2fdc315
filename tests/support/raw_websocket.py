"""Websockets byte by byte: a client that sends exactly the bytes it is given, and uvicorn to send them to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = bytes.fromhex("37fa213d")  # the masking key of the examples in RFC 6455 section 5.7

Route = Callable[[WebSocket], Awaitable[None]]


def mask(payload: bytes, key: bytes = KEY) -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    width: int | None = None,
) -> bytes:
    """A client's frame. `width`: bytes of the extended length (0, 2 or 8); None is as few as possible."""
    size = len(payload)
    if width is None:
        width = 0 if size < 126 else 2 if size < 1 << 16 else 8
    short = {0: size, 2: 126, 8: 127}[width]
    header = bytes((fin << 7 | rsv << 4 | opcode, masked << 7 | short))
    header += size.to_bytes(width, "big") if width else b""
    return header + (KEY + mask(payload) if masked else payload)


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Frame(NamedTuple):
    """A server's frame."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of a close frame; 1005 where it has none."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2], "big") or 1005


class RawClient:
    """One connection after its handshake; `response` is the server's answer to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: bytes) -> None:
        self.reader, self.writer, self.response = reader, writer, response

    def send(self, *data: bytes) -> None:
        """Send these bytes together."""
        self.writer.write(b"".join(data))

    async def drip(self, data: bytes) -> None:
        """Send one byte at a time, each in a segment of its own."""
        for byte in data:
            self.writer.write(bytes((byte,)))
            await asyncio.sleep(0)

    async def read(self) -> Frame:
        """The next frame: final, without reserved bits, unmasked, its length as short as can be.

        Raises:
            asyncio.IncompleteReadError: the connection ended.
        """
        first, second = await self.reader.readexactly(2)
        assert first & 0xF0 == 0x80, f"expected a final frame without reserved bits, got {first:#x}"
        assert second < 0x80, "expected an unmasked frame"
        width = {126: 2, 127: 8}.get(second, 0)
        size = int.from_bytes(await self.reader.readexactly(width), "big") if width else second
        assert size >= {0: 0, 2: 126, 8: 1 << 16}[width], f"{size} does not need {width} bytes"
        return Frame(first & 15, await self.reader.readexactly(size))

    async def read_to_end(self) -> list[Frame]:
        """All frames until the server ends the connection."""
        frames = []
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while True:
                frames.append(await self.read())
        return frames

    async def ask(self, opcode: int, payload: bytes) -> Frame:
        self.send(frame(opcode, payload))
        return await self.read()


@contextlib.asynccontextmanager
async def serving(route: Route, ws: Any, **options: Any) -> AsyncIterator["Served"]:
    """Run a websocket route on uvicorn's protocol class `ws`, on the running loop; options are uvicorn's."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await route(WebSocket(scope, receive, send))

    settings: dict[str, Any] = {"ws_per_message_deflate": False, "ws_ping_interval": None, "log_config": None}
    config = uvicorn.Config(app, ws=ws, lifespan="off", **(settings | options))
    config.load()
    state = ServerState()
    make: Any = config.http_protocol_class
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: make(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    served = Served(server.sockets[0].getsockname()[1], state)
    try:
        yield served
    finally:
        await served.stop()
        server.close()


class Served:
    """A server that is up. `state.connections` are uvicorn's protocol objects."""

    def __init__(self, port: int, state: ServerState) -> None:
        self.port, self.state = port, state
        self._clients: list[RawClient] = []

    async def connect(self, *headers: str, request: str | None = None) -> RawClient:
        """Shake hands; `headers` go with the request."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", *headers)
        upgrade = ("GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", *lines)
        writer.write((request or "\r\n".join((*upgrade, "", ""))).encode())
        client = RawClient(reader, writer, await reader.readuntil(b"\r\n\r\n"))
        self._clients.append(client)
        return client

    async def stop(self) -> None:
        """Cut every connection and wait for the routes."""
        for client in self._clients:
            client.writer.transport.abort()
        for task in list(self.state.tasks):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(task, 10)
        while self.state.connections:
            await asyncio.sleep(0)
