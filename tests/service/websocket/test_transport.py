"""The contract of a Transport, under uvicorn's protocol class and ours."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect

from skiprnn_service.server.websocket_protocol import StreamProtocol
from skiprnn_service.websocket.transport import Transport
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
