"""A server under load and at rest, over real sockets, on both websocket protocol classes."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skiprnn_client import stream
from skiprnn_export import Bundle, open_session, read, unroll
from skiprnn_service.engine.slot import Slot
from support.bundles import random_sequence, write_random_bundle
from support.raw_websocket import BINARY, frame
from support.servers import Running, serving

both_classes = pytest.mark.parametrize("websocket", ["fast", "asgi"])
MODELS: dict[str, dict[str, Any]] = {
    "lstm": {"hidden": 24, "layers": 2},
    "gru": {"cell": "gru", "hidden": 16, "features": 5, "gate_bias": -2.0},
    "all": {"gate_bias": 30.0},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for seed, (name, options) in enumerate(MODELS.items()):
        write_random_bundle(folder / f"{name}.onnx", seed=seed, **options)
    return folder


@pytest.fixture(scope="module")
def bundles(models: Path) -> dict[str, Bundle]:
    return {name: read(models / f"{name}.onnx") for name in MODELS}


# -- the same bits


@both_classes
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"intra_op_threads": 2, "inline_step_below_us": 0},
        {"max_batch": 3},
        {"max_pending_messages": 1, "inline_below_us": 1e9},
    ],
    ids=["default", "two threads on the worker", "batches of three", "one message at a time"],
)
def test_streams_of_several_models_get_the_bits_of_the_offline_unroll_whatever_the_settings(
    models: Path, bundles: dict[str, Bundle], websocket: str, settings: dict[str, Any]
) -> None:
    async def client(number: int, server: Running) -> None:
        name = list(MODELS)[number % len(MODELS)]
        x = random_sequence(bundles[name], 150 + number, seed=number)
        size = (1, 7, 64)[number % 3]
        chunks = [x[start : start + size] for start in range(0, len(x), size)]
        options: dict[str, Any] = {"wake": number % 2 == 0, "window": 1 + number % 4}
        updates = [update async for update in stream(server.url(name), chunks, **options)]
        expected = unroll(bundles[name], x, session=open_session(bundles[name].model))
        assert [update.t for update in updates] == expected.t.tolist()
        assert np.array([update.y for update in updates], np.float32).tobytes() == expected.y.tobytes()

    async def clients(server: Running) -> None:
        await asyncio.gather(*(client(number, server) for number in range(18)))

    with serving(models, websocket_impl=websocket, **settings) as server:
        asyncio.run(clients(server))


# -- a client that sends faster than the engine runs


@pytest.fixture
def flood() -> Iterator[socket.socket]:
    with socket.socket() as flooding:
        yield flooding


def _handshake(flooding: socket.socket, port: int) -> None:
    flooding.connect(("127.0.0.1", port))
    lines = (
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: skiprnn.f32",
    )
    head = (
        "GET /v1/models/all/stream HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        *lines,
        "",
        "",
    )
    flooding.sendall("\r\n".join(head).encode())
    assert b" 101 " in flooding.recv(65_536)


@both_classes
def test_a_client_that_sends_faster_than_the_engine_runs_is_slowed_down(
    models: Path, websocket: str, flood: socket.socket
) -> None:
    """Only so much of it is held here; the rest stays with TCP, and so with the client."""
    pending, gate = list[int](), threading.Event()
    limits = {"max_pending_messages": 8, "max_queued_bytes": 100_000}
    with serving(models, websocket_impl=websocket, inline_step_below_us=0, **limits) as server:
        engine = server.state.models.get("all").engine
        step = engine.runner.run

        def held_up(n: int) -> None:
            pending.append(_pending(server))
            gate.wait(30)
            step(n)

        engine.runner.run = held_up  # type: ignore[method-assign]
        _handshake(flood, server.port)
        flood.setblocking(False)
        message = frame(BINARY, struct.pack("<Q", 2**64 - 1) + bytes(12 * 1000))
        sent = _send_what_goes(flood, message * 4_000)  # 48 MB
        assert sent < 12_000_000, "more than sockets hold was taken"
        assert 0 < _pending(server) <= 8
        gate.set()
        assert _drain(flood) > 0
        assert max(pending) <= 8


def _pending(server: Running) -> int:
    streams: list[Slot] = [session.slot for session in server.state.streams]
    return max((stream.pending for stream in streams), default=0)


def _send_what_goes(flooding: socket.socket, data: bytes) -> int:
    """Until nothing went for a while."""
    sent, quiet = 0, 0
    while quiet < 20 and sent < len(data):
        try:
            sent += flooding.send(data[sent : sent + 1_000_000])
            quiet = 0
        except BlockingIOError:
            time.sleep(0.02)
            quiet += 1
    return sent


def _drain(flooding: socket.socket) -> int:
    """Bytes of the first replies."""
    flooding.setblocking(True)
    flooding.settimeout(30)
    return len(flooding.recv(65_536))


# -- at rest


def _threads() -> set[int]:
    return {int(entry.name) for entry in Path("/proc/self/task").iterdir()}


def _switches(thread: int) -> int:
    """How often a thread of this process went to sleep: it was awake in between."""
    text = Path(f"/proc/self/task/{thread}/status").read_text()
    return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


@both_classes
def test_a_server_at_rest_hardly_wakes_up(models: Path, bundles: dict[str, Bundle], websocket: str) -> None:
    """Neither for streams that are silent nor in threads that ran steps: uvicorn looks around ten times a second."""

    async def at_rest() -> None:
        x = random_sequence(bundles["all"], 300)
        others = _threads()
        with serving(models, websocket_impl=websocket, intra_op_threads=2, inline_step_below_us=0) as server:
            socket = await _opened(server, x)
            ours = _threads() - others
            before = sum(map(_switches, ours))
            await asyncio.sleep(1.5)
            assert sum(map(_switches, ours)) - before < 75
            socket.close()

    asyncio.run(at_rest())


async def _opened(server: Running, x: Any) -> asyncio.StreamWriter:
    """A stream that has had updates and now says nothing."""
    updates = [update async for update in stream(server.url("all"), x)]
    assert len(updates) == len(x)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = (
        "GET /v1/models/all/stream HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
    )
    lines = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "")
    writer.write("\r\n".join((*head, *lines)).encode())
    await asyncio.sleep(0.3)
    return writer
