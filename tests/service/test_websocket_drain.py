"""A message that comes while a drain writes its stream: it is not taken, and the close still says why."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from skiprnn_service.server.websocket_protocol import StreamProtocol
from skiprnn_service.stores.base import Key, Record
from skiprnn_service.websocket.transport import transport_of
from support.bundles import write_random_bundle
from support.raw_websocket import close_frame
from support.raw_websocket import serving as raw_serving
from support.servers import serving


@pytest.mark.parametrize("websocket", ["fast", "asgi"])
def test_a_message_during_the_write_changes_nothing_and_the_close_is_1012(
    tmp_path: Path, websocket: str
) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    with (
        serving(tmp_path, websocket_impl=websocket) as server,
        connect(server.url(), compression=None) as socket,
    ):
        socket.recv(10)
        socket.send('{"x": [0, 0, 0]}')
        socket.recv(10)
        store = server.state.store
        save, begun, go_on = store.save, asyncio.Event(), asyncio.Event()
        records: list[Record] = []

        async def slow(batch: Sequence[Record]) -> set[Key]:
            records.extend(batch)
            begun.set()
            await go_on.wait()
            return await save(batch)

        store.save = slow  # type: ignore[assignment]
        drain = asyncio.run_coroutine_threadsafe(server.state.streams.drain(0), server.loop)
        server.call(begun.wait())
        socket.send('{"x": [1, 1, 1]}')
        server.call(asyncio.sleep(0.2))
        server.loop.call_soon_threadsafe(go_on.set)
        drain.result(10)
        assert json.loads(socket.recv(10))["type"] == "go_away"
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
    assert [record.snapshot.position.next for record in records] == [1]


async def test_a_client_that_says_goodbye_as_the_server_stops_does_not_stop_the_stopping() -> None:
    """Its close frame has been answered, but the connection is not gone yet: nothing more can be said on it."""

    async def route(websocket: WebSocket) -> None:
        await websocket.accept()
        await transport_of(websocket).run(lambda _payload, _is_text: None)

    async with raw_serving(route, StreamProtocol) as served:
        client = await served.connect()
        (connection,) = served.state.connections
        connection.data_received(close_frame(1000))
        connection.shutdown()
        frames = await client.read_to_end()
    assert [frame.code for frame in frames] == [1000]
