"""The transport that StreamProtocol offers, and what it does on its own."""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect

from skiprnn_service.server import websocket_protocol as wire
from skiprnn_service.server.websocket_protocol import StreamProtocol, WireTransport
from skiprnn_service.websocket.transport import AsgiTransport, Transport
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
from support.recorder import Recorder, turns

BOTH_LOOPS = True  # conftest.py
both_classes = pytest.mark.parametrize(
    "ws", [WebSocketsSansIOProtocol, StreamProtocol], ids=["uvicorn", "ours"]
)


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


@both_classes
async def test_a_route_that_awaits_messages_needs_no_transport(ws: type) -> None:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                await websocket.send_bytes(await websocket.receive_bytes())
        except WebSocketDisconnect as ended:
            codes.append(ended.code)

    codes = list[int]()
    async with serving(echo, ws) as served:
        client = await served.connect()
        client.send(*(frame(BINARY, b"%d" % number) for number in range(500)))
        assert [await client.read() for _ in range(500)] == [
            (BINARY, b"%d" % number) for number in range(500)
        ]
        client.send(close_frame(3000))
        assert await client.read_to_end() == [(CLOSE, b"\x0b\xb8")]
        await until(lambda: codes)
    assert codes == [3000]


@both_classes
async def test_messages_that_came_before_run_are_not_lost(ws: type) -> None:
    route = Recorder()
    route.may_run.clear()
    async with serving(route, ws) as served:
        client = await served.connect()
        await route.accepted.wait()
        client.send(frame(BINARY, b"1"), frame(TEXT, b"2"), frame(BINARY, b"3", fin=False))
        await turns()
        route.may_run.set()
        client.send(frame(CONTINUATION, b"4"), frame(PING))
        while (await client.read()).opcode != PONG:
            pass
        await until(lambda: len(route.messages) == 3)
    assert route.messages == [(b"1", False), (b"2", True), (b"34", False)]


@both_classes
async def test_a_client_that_negotiates_compression_is_understood(ws: type) -> None:
    route = Recorder(lambda transport, data: transport.send(data))
    async with (
        serving(route, ws, ws_per_message_deflate=True) as served,
        connect(f"ws://127.0.0.1:{served.port}/", compression="deflate") as client,
    ):
        assert client.response
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
        for message in (b"*" * 10_000, b"", b"short"):
            await client.send(message)
            assert await client.recv() == message
    assert [data for data, _ in route.messages] == [b"*" * 10_000, b"", b"short"]


async def test_a_refusal_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def reject(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("full", 503))

    async with serving(reject, StreamProtocol) as served:
        client = await served.connect()
        assert b" 503 " in client.response
        assert await client.reader.read() == b"full"
    assert "completing handshake" not in caplog.text


# -- how a connection ends


@both_classes
@pytest.mark.parametrize(
    ("sent", "code"), [(close_frame(1001), 1001), (frame(CLOSE), 1005), (b"\x82\0", 1002)]
)
async def test_run_returns_the_close_code(ws: type, sent: bytes, code: int) -> None:
    route = Recorder()
    async with serving(route, ws) as served:
        client = await served.connect()
        client.send(sent)
        assert await route.ended == code


async def test_run_returns_1006_when_no_close_frame_came() -> None:
    route = Recorder()
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        await route.accepted.wait()
        client.writer.close()
        assert await route.ended == 1006


@both_classes
async def test_run_returns_our_own_code_when_we_close(ws: type) -> None:
    route = Recorder(lambda transport, _: transport.close(4000, "enough"))
    async with serving(route, ws) as served:
        client = await served.connect()
        client.send(frame(BINARY))
        assert await route.ended == 4000


@both_classes
async def test_what_the_callback_raises_is_raised_by_run_and_no_message_follows(ws: type) -> None:
    def fail(_: Transport, data: bytes) -> None:
        raise ValueError(data)

    route = Recorder(fail)
    async with serving(route, ws) as served:
        client = await served.connect()
        client.send(frame(BINARY, b"1"), frame(BINARY, b"2"))
        with pytest.raises(ValueError, match="1"):
            await route.ended
        await turns()
    assert route.messages == [(b"1", False)]


@both_classes
async def test_a_shutdown_closes_with_1012(ws: type) -> None:
    route = Recorder()
    async with serving(route, ws) as served:
        client = await served.connect()
        await route.accepted.wait()
        await turns()
        for connection in list(served.state.connections):
            connection.shutdown()
        assert (await client.read()).code == 1012
        assert await route.ended == 1012


@both_classes
async def test_sending_to_a_client_that_has_gone_is_harmless(ws: type) -> None:
    route = Recorder()
    async with serving(route, ws) as served:
        client = await served.connect()
        await route.accepted.wait()
        client.writer.transport.abort()
        for _ in range(50):
            route.transport.send(b"*" * 1000)
            await asyncio.sleep(0)
        await route.ended
        route.transport.send("text")
        route.transport.close(1000)
        route.transport.pause()
        route.transport.resume()


@both_classes
async def test_abort_ends_a_connection_whose_client_reads_nothing(ws: type) -> None:
    route = Recorder()
    async with serving(route, ws) as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await route.accepted.wait()
        await turns()
        for _ in range(400):
            route.transport.send(b"*" * 60_000)
        await turns()
        route.transport.close(4410)
        route.transport.abort()
        await route.ended
        if (
            ws is StreamProtocol
        ):  # ASGI has no word for it: uvicorn goes on trying what it holds, 64 KiB and a message
            await until(lambda: not served.state.connections)


async def test_a_reason_that_is_too_long_is_cut_between_characters() -> None:
    route = Recorder(lambda transport, _: transport.close(1008, "ü" * 100))
    async with serving(route, StreamProtocol) as served:
        client = await served.connect()
        client.send(frame(BINARY))
        assert (await client.read()).payload[2:].decode() == "ü" * 61


# -- flow control


@both_classes
async def test_no_message_comes_between_pause_and_resume(ws: type) -> None:
    route = Recorder(lambda transport, _: transport.pause())
    async with serving(route, ws) as served:
        client = await served.connect()
        client.send(*(frame(BINARY, b"%d" % number) for number in range(5)))
        for number in range(1, 6):
            await until(partial(route.has, number))
            await turns()
            assert len(route.messages) == number
            route.transport.resume()
        assert [data for data, _ in route.messages] == [b"0", b"1", b"2", b"3", b"4"]


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


@both_classes
async def test_buffered_counts_what_a_client_does_not_read(ws: type) -> None:
    route = Recorder()
    async with serving(route, ws) as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await route.accepted.wait()
        await turns()
        assert route.transport.buffered == 0
        for _ in range(400):
            route.transport.send(b"*" * 60_000)
        await turns()
        assert route.transport.buffered > 10_000_000
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        reading = asyncio.create_task(client.read_to_end())
        await until(lambda: route.transport.buffered == 0)
        reading.cancel()


@both_classes
async def test_limit_says_when_too_much_waits_and_when_half_of_it_is_gone(ws: type) -> None:
    route, heard = Recorder(), list[bool]()
    async with serving(route, ws) as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await route.accepted.wait()
        await turns()
        route.transport.limit(1_000_000, heard.append)
        while not heard:
            route.transport.send(b"*" * 60_000)
            await asyncio.sleep(0)
        for _ in range(20):
            route.transport.send(b"*" * 60_000)
        assert heard == [True]
        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        reading = asyncio.create_task(client.read_to_end())
        await until(lambda: len(heard) > 1)
        assert heard == [True, False]
        assert route.transport.buffered <= 500_000
        reading.cancel()


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
