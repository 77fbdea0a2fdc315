"""The clients over TLS."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from skiprnn_client import (
    ConnectionFailed,
    ServerError,
    StreamClosed,
    SyncConnection,
    connect_sync,
    stream_sync,
)
from skiprnn_export import Bundle, unroll
from support.bundles import random_sequence, write_random_bundle
from support.certificates import write_certificate
from support.fake_server import READY
from support.servers import Running, serving

X = [0.0] * READY["features"]
REPLY = json.dumps({"t": 0, "wake": 1, "updates": []})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[0])


@contextmanager
def tls_server(
    script: Callable[[ServerConnection], Awaitable[None]], certificate: tuple[Path, Path]
) -> Iterator[str]:
    """Its address. What it does after `ready`; asyncio's TLS, in one thread."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    loop, ports, stop, started = asyncio.new_event_loop(), list[int](), asyncio.Event(), Event()

    async def handle(socket: ServerConnection) -> None:
        await socket.send(json.dumps(READY))
        await script(socket)

    async def run() -> None:
        options = {"ssl": context, "subprotocols": [Subprotocol("skiprnn.f32")]}
        async with serve(handle, "127.0.0.1", 0, **options) as server:  # type: ignore[arg-type]
            ports.append(next(iter(server.sockets)).getsockname()[1])
            started.set()
            await stop.wait()

    thread = Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert started.wait(10)
        yield f"wss://localhost:{ports[0]}/v1/models/fake/stream"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def test_the_last_error_is_raised_also_where_the_end_came_with_it(
    certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    async def throw_out(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"type": "error", "code": "rate", "message": "too fast", "fatal": True}))
        await socket.close(1008)

    with tls_server(throw_out, certificate) as url:
        for _ in range(20):
            with connect_sync(url, ssl=trusting) as connection, pytest.raises(ServerError, match="rate"):
                connection.send(X)


def test_what_came_before_a_close_is_still_received(
    certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    answered = Event()

    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(REPLY)
        answered.set()
        await socket.wait_closed()

    with tls_server(answer, certificate) as url, connect_sync(url, ssl=trusting) as connection:
        connection.post(X)
        assert answered.wait(10)
        connection.close()
        assert connection.receive().t == 0
        with pytest.raises(StreamClosed):
            connection.receive()


def test_closing_wakes_a_thread_that_receives(
    certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    def receive(connection: SyncConnection) -> None:
        with pytest.raises(StreamClosed):
            connection.receive()

    with (
        tls_server(ServerConnection.wait_closed, certificate) as url,
        connect_sync(url, ssl=trusting) as connection,
    ):
        receiver = Thread(target=receive, args=(connection,))
        receiver.start()
        connection.close()
        receiver.join(10)
        assert not receiver.is_alive()


# -- a server of ours


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp("models") / "watch.onnx", name="watch")


@pytest.fixture(scope="module")
def server(
    bundle: Bundle, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "watch.onnx").write_bytes(bundle.model)
    tls = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    with serving(folder, max_opens_per_minute=10_000, **tls) as server:
        yield server


@pytest.fixture(scope="module")
def url(server: Running) -> str:
    return server.url().replace("ws://127.0.0.1", "wss://localhost")


@pytest.mark.parametrize("chunk", [7, 1000])
def test_a_stream_over_wss_gets_the_bits_of_the_offline_unroll(
    bundle: Bundle, url: str, trusting: ssl.SSLContext, chunk: int
) -> None:
    x = random_sequence(bundle, 3_000)
    expected = unroll(bundle, x)
    got = list(stream_sync(url, x, ssl=trusting, chunk=chunk, wake=False, window=32))
    assert [update.t for update in got] == expected.t.tolist()
    assert b"".join(update.y.tobytes() for update in got) == expected.y.tobytes()


def test_what_is_sent_and_what_comes_at_the_same_time_stays_whole(
    bundle: Bundle, url: str, trusting: ssl.SSLContext
) -> None:
    x = random_sequence(bundle, 6_000)
    sizes = [1 + i % 300 for i in range(400)]
    chunks = np.split(x, np.cumsum(sizes)[np.cumsum(sizes) < len(x)])
    for _ in range(6):
        with connect_sync(url, ssl=trusting) as connection:
            for chunk in chunks:
                connection.post(chunk)
            updates = [update for _ in chunks for update in connection.receive().updates]
        assert b"".join(update.y.tobytes() for update in updates) == unroll(bundle, x).y.tobytes()


def test_clients_just_connect(url: str, trusting: ssl.SSLContext) -> None:
    for _ in range(100):
        with connect_sync(url, ssl=trusting) as connection:
            assert not connection.ready.resumed


def test_a_certificate_that_is_not_trusted_is_rejected(url: str) -> None:
    with pytest.raises(ConnectionFailed, match="certificate"), connect_sync(url):
        pass
