"""However the bytes of a connection are split into segments, StreamProtocol understands them alike."""

import asyncio
from itertools import pairwise
from typing import Any

import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

from skiprnn_service.server.websocket_protocol import StreamProtocol
from support.raw_websocket import BINARY, CONTINUATION, PING, PONG, TEXT, close_frame, frame
from support.recorder import Message, Recorder, turns

BOTH_LOOPS = True  # conftest.py


class FakeTransport(asyncio.Transport):
    """Takes what is written; can be closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written, self.closed = bytearray(), False

    def write(self, data: Any) -> None:
        assert not self.closed, "written after the end"
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Offline:
    """A connection after its handshake, without a socket: feed it segments."""

    def __init__(self) -> None:
        self.route = Recorder()
        self.transport = FakeTransport()

    async def open(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await self.route(WebSocket(scope, receive, send))

        config = uvicorn.Config(app, ws_max_size=1000, lifespan="off", log_config=None, ws_ping_interval=None)
        config.load()
        self.protocol = StreamProtocol(config, ServerState(), {}, asyncio.get_running_loop())
        self.protocol.connection_made(self.transport)
        lines = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
        upgrade = ("GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", *lines, "", "")
        self.protocol.data_received("\r\n".join(upgrade).encode())
        await turns(5)
        self.transport.written.clear()

    async def feed(self, segments: list[bytes]) -> tuple[list[Message], bytes]:
        """Returns the messages that the route got and the bytes that went back."""
        for segment in segments:
            if not self.transport.closed:
                self.protocol.data_received(segment)
            await asyncio.sleep(0)
        await turns(5)
        self.protocol.connection_lost(None)
        await turns(5)
        return self.route.messages, bytes(self.transport.written)


def _fragments(opcode: int, parts: list[bytes]) -> bytes:
    first, *others = [
        frame(CONTINUATION if index else opcode, part, fin=False) for index, part in enumerate(parts)
    ]
    return b"".join((first, *others, frame(CONTINUATION)))


legal = st.one_of(
    st.builds(frame, st.just(BINARY), st.binary(max_size=300)),
    st.builds(frame, st.just(TEXT), st.text(max_size=50).map(str.encode)),
    st.builds(frame, st.sampled_from([PING, PONG]), st.binary(max_size=20)),
    st.builds(_fragments, st.just(BINARY), st.lists(st.binary(max_size=20), min_size=1, max_size=4)),
)
ending = st.sampled_from(
    [b"", close_frame(1000), frame(3), b"\x82\x00", frame(TEXT, b"\xff"), frame(CONTINUATION)]
)


def _split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:stop] for start, stop in pairwise(places)]


@given(frames=st.lists(legal, max_size=8), last=ending, cuts=st.lists(st.integers(0, 5000), max_size=12))
def test_any_split_into_segments_gives_the_same_messages_and_answers(
    frames: list[bytes], last: bytes, cuts: list[int]
) -> None:
    data = b"".join(frames) + last
    whole = asyncio.run(_fed([data] if data else []))
    assert asyncio.run(_fed(_split(data, cuts))) == whole
    assert asyncio.run(_fed([data[index : index + 1] for index in range(len(data))])) == whole


async def _fed(segments: list[bytes]) -> tuple[list[Message], bytes]:
    connection = Offline()
    await connection.open()
    return await connection.feed(segments)


async def test_a_long_message_in_many_segments_is_joined_once() -> None:
    """Bytes that wait are kept in pieces: joining them at every segment would take quadratic time."""
    connection = Offline()
    await connection.open()
    data = frame(BINARY, b"*" * 1000)
    for index in range(500):
        connection.protocol.data_received(data[index : index + 1])
    assert len(connection.protocol._held) > 490
    messages, _ = await connection.feed([data[500:]])
    assert messages == [(b"*" * 1000, False)]
