"""The transport that StreamProtocol offers, and what it does on its own."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from skiprnn_service.server import websocket_protocol as wire
from skiprnn_service.server.websocket_protocol import AsgiProtocol, StreamProtocol, WireTransport
from skiprnn_service.websocket.transport import AsgiTransport, transport_of
from support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
    serving,
)
from support.recorder import Message, Recorder, turns

BOTH_LOOPS = True  # conftest.py


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


# -- whose path a message takes


async def test_offers_itself_and_other_classes_do_not() -> None:
    for ws, expected in ((StreamProtocol, WireTransport), (WebSocketsSansIOProtocol, AsgiTransport)):
        route = Recorder()
        async with serving(route, ws) as served:
            await served.connect()
            await route.accepted.wait()
            assert type(route.transport) is expected


async def test_plain_frames_pass_uvicorn_by(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, relayed = list[bytes](), WebSocketsSansIOProtocol.data_received

    def watched(self: WebSocketsSansIOProtocol, data: bytes) -> None:
        seen.append(data)
        relayed(self, data)

    monkeypatch.setattr(WebSocketsSansIOProtocol, "data_received", watched)
    route = Recorder()
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        seen.clear()
        client.send(frame(TEXT, b"text"), frame(BINARY, b"*" * 70_000), frame(PING))
        assert await client.read() == (PONG, b"")
    assert route.messages == [(b"text", True), (b"*" * 70_000, False)]
    assert seen == [frame(PING)]


async def test_a_refusal_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def reject(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("full", 503))

    async with serving(reject, StreamProtocol) as served:
        client = await served.connect()
        assert b" 503 " in client.response
        assert await client.reader.read() == b"full"
    assert "completing handshake" not in caplog.text


# -- how a connection ends


async def test_run_returns_1006_when_no_close_frame_came() -> None:
    route = Recorder()
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        await route.accepted.wait()
        client.writer.close()
        assert await route.ended == 1006


async def test_a_reason_that_is_too_long_is_cut_between_characters() -> None:
    route = Recorder(lambda transport, _: transport.close(1008, "ü" * 100))
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        client.send(frame(BINARY))
        assert (await client.read()).payload[2:].decode() == "ü" * 61


# -- flow control


async def test_a_paused_connection_takes_no_bytes_from_the_socket() -> None:
    route = Recorder(lambda transport, _: transport.pause())
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        message = frame(BINARY, b"*" * 60_000)
        client.send(*([message] * 300))  # 18 MB
        await until(lambda: route.messages)
        await asyncio.sleep(0.05)
        (connection,) = served.state.connections
        assert isinstance(connection, StreamProtocol)
        assert sum(map(len, connection._held)) < 1 << 20
        assert client.writer.transport.get_write_buffer_size() > 1 << 20
        for count in range(2, 301):
            route.transport.resume()
            await until(partial(route.has, count))
        route.transport.resume()  # a paused connection does not hear that its client has gone


async def test_a_close_goes_through_while_paused() -> None:
    """Ours, and then the client's answer behind messages that nobody wants any more."""
    route = Recorder(lambda transport, _: transport.pause())
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        client.send(*([frame(BINARY, b"*" * 60_000)] * 20))
        await until(lambda: route.messages)
        route.transport.close(1008)
        client.send(close_frame(1008))
        assert await client.read_to_end() == [(CLOSE, b"\x03\xf0")]
    assert len(route.messages) == 1


async def test_a_full_buffer_is_noticed_within_a_segment() -> None:
    """Many requests of a few bytes with large answers."""
    route = Recorder(lambda transport, _: transport.send(b"*" * 100_000))
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await route.accepted.wait()
        (connection,) = served.state.connections
        assert isinstance(connection, StreamProtocol)
        await until(lambda: connection._on_message)
        route.transport.limit(1_000_000, lambda _: route.transport.pause())
        connection.data_received(frame(BINARY) * 200)
        assert len(route.messages) < 100


@pytest.mark.parametrize("how", ["close", "ping"])
async def test_a_client_that_reads_nothing_is_cut_off_some_time_after_the_close_frame(how: str) -> None:
    route = Recorder()
    pings = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1} if how == "ping" else {}
    async with serving(route, StreamProtocol, **pings) as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await route.accepted.wait()
        (connection,) = served.state.connections
        assert isinstance(connection, StreamProtocol)
        connection.close_timeout = 0.05
        for _ in range(400):
            route.transport.send(b"*" * 60_000)
        if how == "close":
            await until(lambda: connection._on_message)
            route.transport.close(4000)
        await until(lambda: not served.state.connections)


async def test_a_full_segment_of_tiny_messages_takes_several_turns() -> None:
    """Others are heard in between, however many messages one client has in flight."""
    loud, quiet = Recorder(), Recorder()
    async with serving(loud, StreamProtocol) as served, serving(quiet, StreamProtocol) as other:
        _, modest = await served.connect(), await other.connect()
        await loud.accepted.wait()
        (connection,) = served.state.connections
        assert isinstance(connection, StreamProtocol)
        await until(lambda: connection._on_message)
        connection.data_received(frame(BINARY) * 10_000)  # one segment
        counts = [len(loud.messages)]
        modest.send(frame(BINARY))
        while not quiet.heard.is_set():
            await asyncio.sleep(0)
            counts.append(len(loud.messages))
        assert max(later - now for now, later in pairwise(counts)) <= wire._FRAMES_A_TURN
        assert counts[0] == wire._FRAMES_A_TURN
        await until(lambda: len(loud.messages) == 10_000)


async def test_a_close_frame_during_the_shutdown_does_not_end_the_shutdown() -> None:
    """Its close frame has been answered, but the connection is not gone yet: nothing more can be said on it."""

    async def route(websocket: WebSocket) -> None:
        await websocket.accept()
        await transport_of(websocket).run(lambda _payload, _is_text: None)

    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        (connection,) = served.state.connections
        connection.data_received(close_frame(1000))
        connection.shutdown()
        frames = await client.read_to_end()
    assert [frame.code for frame in frames] == [1000]


# -- segments


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

    def get_write_buffer_size(self) -> int:
        return 0

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


@pytest.mark.parametrize("ws", [StreamProtocol, AsgiProtocol])
async def test_a_message_of_endless_empty_fragments_is_closed_with_1009(ws: type) -> None:
    async with serving(Recorder(), ws) as served:
        client = await served.connect()
        client.send(frame(BINARY, b"a", fin=False), frame(CONTINUATION, fin=False) * 10_000)
        (closed,) = await client.read_to_end()
        assert (closed.code, closed.payload[2:]) == (1009, b"message: expected 4096 fragments at most")


@pytest.mark.parametrize("ws", [StreamProtocol, AsgiProtocol])
async def test_as_many_fragments_as_may_be_are_one_message(ws: type) -> None:
    route = Recorder()
    async with serving(route, ws) as served:
        client = await served.connect()
        client.send(frame(BINARY, b"a", fin=False), frame(CONTINUATION, b"b", fin=False) * 4_094)
        client.send(frame(CONTINUATION, b"c"))
        await until(lambda: route.messages)
        assert route.messages == [(b"a" + b"b" * 4_094 + b"c", False)]


@pytest.mark.parametrize("ws", [StreamProtocol, AsgiProtocol])
async def test_pongs_that_a_client_does_not_read_are_bounded(ws: type) -> None:
    """It sends a mebibyte of pings a time for as long as the server takes them."""
    async with serving(Recorder(), ws) as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        (connection,) = served.state.connections
        for _ in range(24):
            client.send(frame(PING, b"p" * 125) * 8_000)
            for _ in range(200):
                await asyncio.sleep(0)
            assert connection.transport.get_write_buffer_size() < 1 << 20


@pytest.mark.parametrize("ws", [StreamProtocol, AsgiProtocol])
async def test_a_client_that_leaves_without_reading_is_cut_off(ws: type) -> None:
    """Its close frame is answered behind megabytes that it does not read."""
    route = Recorder()
    async with serving(route, ws) as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await route.accepted.wait()
        (connection,) = served.state.connections
        connection.close_timeout = 0.05  # type: ignore[union-attr]
        connection.transport.write(b"*" * 24_000_000)
        client.send(close_frame(1000))
        await until(lambda: not served.state.connections)


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
