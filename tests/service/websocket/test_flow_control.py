"""A connection whose client does not read, or sends faster than it is answered."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skiprnn_service.settings import Settings
from skiprnn_service.websocket.flow_control import FlowControl
from skiprnn_service.websocket.transport import OnFull, OnMessage
from support.bundles import write_random_bundle
from support.raw_websocket import BINARY, PING, TEXT, frame
from support.servers import Running, serving

LIMITS = Settings(max_pending_messages=3, max_queued_bytes=2000, slow_client_timeout_seconds=0.05)


class OpenTransport:
    """A Transport that is full when the test says so."""

    buffered = 0

    def __init__(self) -> None:
        self.reading, self.high_water_bytes = True, 0
        self.full: OnFull

    def send(self, data: bytes | str) -> None: ...
    def close(self, code: int, reason: str = "") -> None: ...
    def abort(self) -> None: ...

    def limit(self, high_water_bytes: int, on_full: OnFull) -> None:
        self.high_water_bytes, self.full = high_water_bytes, on_full

    def pause(self) -> None:
        assert self.reading
        self.reading = False

    def resume(self) -> None:
        assert not self.reading
        self.reading = True

    async def run(self, on_message: OnMessage) -> int:
        raise NotImplementedError


def controlled() -> tuple[OpenTransport, FlowControl, list[str]]:
    slow, transport = list[str](), OpenTransport()
    return transport, FlowControl(transport, LIMITS, on_slow=lambda: slow.append("slow")), slow


@pytest.mark.parametrize("sizes", [[1, 1, 1], [2001], [1200, 1200]])
async def test_reading_stops_at_too_many_messages_or_bytes_until_all_are_answered(sizes: list[int]) -> None:
    transport, flow, slow = controlled()
    for pending, size in enumerate(sizes, start=1):
        assert transport.reading
        flow.queued(size, pending)
    assert not transport.reading
    flow.queued(5000, 4)
    flow.all_answered()
    assert transport.reading
    flow.queued(2000, 1)
    assert transport.reading
    assert not slow


async def test_reading_stops_while_either_of_the_two_waits() -> None:
    transport, flow, _ = controlled()
    assert transport.high_water_bytes == LIMITS.write_high_water_bytes
    transport.full(True)
    flow.queued(5000, 1)
    flow.all_answered()
    assert not transport.reading
    flow.queued(5000, 1)
    transport.full(False)
    assert not transport.reading
    flow.all_answered()
    assert transport.reading


async def test_a_client_is_given_up_once_however_much_is_sent_to_it() -> None:
    transport, flow, slow = controlled()
    loop = asyncio.get_running_loop()
    for _ in range(100):
        transport.full(True)
        timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        assert len(timers) == 1
    while not slow:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert slow == ["slow"]
    flow.stop()


async def test_a_client_that_takes_half_in_time_and_a_connection_that_is_over_are_not_given_up() -> None:
    for end in ("half", "over"):
        transport, flow, slow = controlled()
        transport.full(True)
        if end == "half":
            transport.full(False)
        else:
            flow.stop()
        await asyncio.sleep(0.2)
        assert not slow


# -- over sockets


@contextmanager
def deaf(server: Running, query: str = "") -> Iterator[socket.socket]:
    """A websocket whose client sends and never reads."""
    lines = (
        f"GET /v1/models/watch/stream{query} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    )
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", server.port))
        client.sendall("\r\n".join((*lines, "", "")).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        yield client


def send_often(client: socket.socket, data: bytes) -> None:
    for _ in range(1 + (1 << 30) // len(data)):
        client.sendall(data)


def send_until_dropped(client: socket.socket, data: bytes, *, how: str = "") -> None:
    """Up to 1 GB, if it were all taken."""
    with pytest.raises(OSError, match=how + r"reset|Broken pipe"):
        send_often(client, data)


FRAMES = {
    "samples": frame(BINARY, b"\xff" * 8 + b"\0" * 1200),
    "rejected text": frame(TEXT, b"{"),
    "rejected bytes": frame(BINARY, b""),
    "pings": frame(PING, b"*" * 125),
}


@pytest.mark.parametrize(
    ("impl", "sent"),
    # Under asgi uvicorn answers pings itself, and its socket stays open for what it holds: 64 KiB and a message.
    [*(("fast", sent) for sent in FRAMES), *(("asgi", sent) for sent in FRAMES if sent != "pings")],
)
def test_a_client_that_reads_nothing_is_paused_then_given_up_whatever_it_sends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sent: str, impl: str
) -> None:
    caplog.set_level(logging.INFO, logger="skiprnn_service.routes.stream")
    write_random_bundle(tmp_path / "watch.onnx", features=3)
    limits = {"write_high_water_bytes": 20_000, "slow_client_timeout_seconds": 0.5, "max_samples": 100}
    with serving(tmp_path, websocket_impl=impl, log_level="info", **limits) as server, deaf(server) as client:
        if impl == "asgi":
            client.settimeout(2)
        send_until_dropped(client, FRAMES[sent] * 100, how=r"timed out|" if impl == "asgi" else "")
        server.call(gone(server))
    (closed,) = [record for record in caplog.records if record.message == "connection closed"]
    if impl == "fast":
        assert closed.close_code == 4410  # type: ignore[attr-defined]


async def gone(server: Running) -> None:
    async with asyncio.timeout(20):
        while len(server.state.streams):
            await asyncio.sleep(0.01)


def test_a_stream_whose_client_reads_nothing_is_parked(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx", features=3)
    limits = {"write_high_water_bytes": 20_000, "slow_client_timeout_seconds": 0.5}
    with serving(tmp_path, **limits) as server, deaf(server, "?stream_id=slow") as client:
        send_until_dropped(client, FRAMES["samples"] * 100)
        server.call(gone(server))
        assert server.call(server.state.store.count()) == 1
