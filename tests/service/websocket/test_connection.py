"""A connection between the opening of its stream and the end of its handshake."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.settings import Settings
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.base import Key, Record
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.websocket.connection import StreamConnection
from skiprnn_service.websocket.messages import BINARY, codec
from skiprnn_service.websocket.transport import OnFull, OnMessage
from support.bundles import write_random_bundle
from support.servers import serving


async def test_a_stream_may_be_saved_drained_and_lost_before_its_connection_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    models, store = ModelRepository(tmp_path), MemoryStore(ttl_seconds=60)
    store.durable = True
    models.load()
    streams = StreamManager(
        models,
        store,
        ServiceStats(),
        snapshot_interval_seconds=1000,
        ttl_seconds=60,
        idle_timeout_seconds=1000,
        quotas=Quotas(max_streams=9, max_opens_per_minute=1000),
    )
    connection = StreamConnection(Settings(), streams, emit="all")
    await streams.open("m", connection)
    await streams.flush()
    await streams.drain(0)
    await asyncio.sleep(0)
    connection.stop()
    assert not caplog.records
    assert connection._lost is not None
    assert connection._lost[0] == 1012
    models.close()


# -- what waits


class CountingTransport:
    """A Transport without a client."""

    buffered = 0

    def __init__(self) -> None:
        self.reading, self.sent = True, list[bytes | str]()

    def send(self, data: bytes | str) -> None:
        self.sent.append(data)

    def close(self, code: int, reason: str = "") -> None: ...
    def abort(self) -> None: ...
    def limit(self, high_water_bytes: int, on_full: OnFull) -> None: ...

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    async def run(self, on_message: OnMessage) -> int:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("payload", "is_text", "answers"),
    [(b"", False, 1), (b"{", True, 1), (b'{"type":"reset"}', True, 0), (b"\xff" * 8 + b"\0" * 48, False, 1)],
    ids=["empty", "bad text", "reset", "too many samples"],
)
async def test_reading_stops_whatever_waits_behind_a_message_until_all_is_answered(
    tmp_path: Path, payload: bytes, is_text: bool, answers: int
) -> None:
    write_random_bundle(tmp_path / "m.onnx", features=3)
    models = ModelRepository(tmp_path)
    models.load()
    streams = StreamManager(
        models,
        MemoryStore(ttl_seconds=60),
        ServiceStats(),
        snapshot_interval_seconds=1000,
        ttl_seconds=60,
        idle_timeout_seconds=1000,
        quotas=Quotas(max_streams=9, max_opens_per_minute=1000),
    )
    connection = StreamConnection(Settings(max_pending_messages=10, max_samples=3), streams, emit="all")
    transport = CountingTransport()
    connection.start(transport, await streams.open("m", connection), codec(BINARY, 1))
    connection.on_message(b"\xff" * 8 + b"\0" * 12, False)
    sent = 0
    while transport.reading and sent < 1000:
        connection.on_message(payload, is_text)
        sent += 1
    assert sent < 10
    async with asyncio.timeout(10):
        while not transport.reading:
            await asyncio.sleep(0)
    assert len(transport.sent) == 2 + sent * answers  # and `ready`, and the reply
    await streams.drain(0)
    models.close()


# -- saved


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[ClientConnection]:
    (tmp_path / "models").mkdir()
    write_random_bundle(tmp_path / "models" / "watch.onnx", features=3)
    durable: dict[str, Any] = {
        "store_url": f"sqlite:///{tmp_path / 'streams.db'}",
        "snapshot_interval_seconds": 0.1,
    }
    with serving(tmp_path / "models", **durable) as server, connect(server.url(), compression=None) as socket:
        hear(socket)
        yield socket


def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(10))
    return message


def send(socket: ClientConnection, n: int) -> None:
    socket.send(json.dumps({"x": [[0.0] * 3] * n}))


def test_a_reply_older_than_the_write_is_followed_by_a_notice(socket: ClientConnection) -> None:
    send(socket, 7)
    assert hear(socket)["saved"] == 0
    assert hear(socket) == {"type": "saved", "saved": 7, "sequence": 0}


def test_a_reset_that_is_saved_is_told_even_if_nothing_followed_it(socket: ClientConnection) -> None:
    send(socket, 7)
    hear(socket)
    socket.send(json.dumps({"type": "reset"}))
    notices = [hear(socket)]
    if notices[0]["sequence"] == 0:  # written between the two
        notices.append(hear(socket))
    assert notices[-1] == {"type": "saved", "saved": 0, "sequence": 1}


def test_nothing_is_told_twice(socket: ClientConnection) -> None:
    send(socket, 7)
    hear(socket)
    hear(socket)
    with pytest.raises(TimeoutError):
        socket.recv(1.5)


# -- a drain


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
