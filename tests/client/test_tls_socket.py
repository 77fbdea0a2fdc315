"""TLS that one thread reads while another writes."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from skiprnn_client import Unreachable, connect_sync, stream_sync
from skiprnn_client.tls_socket import TlsContext, TlsSocket
from skiprnn_export import Bundle, unroll
from support.bundles import random_sequence, write_random_bundle
from support.certificates import write_certificate
from support.servers import Running, serving

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[0])


@contextmanager
def tls_server(serve: Serve, certificate: tuple[Path, Path]) -> Iterator[int]:
    """Its port. It is asyncio's, and one thread alone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    loop, ports, stop, started = asyncio.new_event_loop(), list[int](), asyncio.Event(), Event()

    async def run() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await stop.wait()

    thread = Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert started.wait(10)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@contextmanager
def opened(port: int, context: ssl.SSLContext) -> Iterator[TlsSocket]:
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    tls = TlsContext(context).wrap_socket(plain, server_hostname="localhost")
    try:
        yield tls
    finally:
        tls.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


def test_what_is_sent_and_what_comes_at_the_same_time_stays_whole(
    certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    """`ssl.SSLSocket` fails this nearly always: the connection breaks, hangs, or takes the process with it."""
    noise = np.random.default_rng(0).bytes(60_000)
    pieces = [noise[i : i + 1 + i % 300] for i in range(10_000)] + [noise] * 50
    with tls_server(echo, certificate) as port:
        for _ in range(6):
            with opened(port, trusting) as tls:
                assert sent_and_received(tls, pieces) == b"".join(pieces)


def sent_and_received(tls: TlsSocket, pieces: list[bytes]) -> bytes:
    """What comes back while it is still being sent."""

    def send() -> None:
        for piece in pieces:
            tls.sendall(piece)

    sender, missing, came = Thread(target=send), sum(map(len, pieces)), list[bytes]()
    sender.start()
    while missing:
        came.append(tls.recv(4096))
        assert came[-1], "the connection ended"
        missing -= len(came[-1])
    sender.join()
    return b"".join(came)


def test_the_end_is_found_also_where_it_came_with_the_last_words(
    certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    async def say_goodbye(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"last words")
        writer.close()

    with tls_server(say_goodbye, certificate) as port, opened(port, trusting) as tls:
        assert b"".join(iter(lambda: tls.recv(4096), b"")) == b"last words"


def test_after_shutdown_the_peer_is_still_heard(
    certificate: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    with tls_server(echo, certificate) as port, opened(port, trusting) as tls:
        tls.sendall(b"said")
        assert tls.recv(4096) == b"said"
        tls.shutdown(socket.SHUT_WR)
        assert tls.recv(4096) == b""


def test_closing_wakes_whoever_receives(certificate: tuple[Path, Path], trusting: ssl.SSLContext) -> None:
    with tls_server(echo, certificate) as port, opened(port, trusting) as tls:

        def receive() -> None:
            with suppress(OSError):  # where it had not begun yet
                tls.recv(4096)

        receiver = Thread(target=receive)
        receiver.start()
        tls.close()
        receiver.join(10)
        assert not receiver.is_alive()


# -- the clients that use it


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


def test_a_stream_over_wss_gets_the_bits_of_the_offline_unroll(
    bundle: Bundle, url: str, trusting: ssl.SSLContext
) -> None:
    x = random_sequence(bundle, 3_000)
    expected = unroll(bundle, x)
    got = list(stream_sync(url, x, ssl=trusting, chunk=7, wake=False, window=32))
    assert [update.t for update in got] == expected.t.tolist()
    assert b"".join(update.y.tobytes() for update in got) == expected.y.tobytes()


def test_clients_just_connect(url: str, trusting: ssl.SSLContext) -> None:
    """With `ssl.SSLSocket` one in some hundreds hangs until its time is over."""
    for _ in range(100):
        with connect_sync(url, ssl=trusting) as connection:
            assert not connection.ready.resumed


def test_a_certificate_that_nobody_vouches_for_is_refused(url: str) -> None:
    with pytest.raises(Unreachable, match="certificate"), connect_sync(url):
        pass
