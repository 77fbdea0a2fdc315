"""A stream whose loop runs in a thread of its own: it keeps alive, and it ends with everything that it has opened."""

import asyncio
import gc
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread, active_count, get_ident
from typing import Any

import numpy as np
import pytest

from skiprnn_client import (
    NEW_SEQUENCE,
    ConnectionFailed,
    Ready,
    RetryPolicy,
    SampleError,
    StreamClosed,
    connect_sync,
    stream_from_sync,
    stream_sync,
)
from skiprnn_client.stream import prepared
from skiprnn_client.sync_driver import SyncDriver
from support.bundles import write_random_bundle
from support.fake_server import FEATURES, FakeStream, fake_server
from support.server_process import ServerProcess

X = np.arange(43 * FEATURES, dtype=np.float32).reshape(43, FEATURES)
READ = list(range(0, 43, 5))
SOON = RetryPolicy(initial_backoff_seconds=0.001, max_backoff_seconds=0.01)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", features=FEATURES)
    with ServerProcess(folder, max_opens_per_minute=1_000_000) as server:
        yield server


def held() -> dict[str, int]:
    """What this process has open. Loops and transports are counted until they are collected."""
    gc.collect()
    kinds = (asyncio.Task, asyncio.BaseTransport, asyncio.AbstractEventLoop)
    count = sum(issubclass(type(thing), kinds) for thing in gc.get_objects())  # a proxy's __class__ may raise
    return {"threads": active_count(), "files": len(list(Path("/proc/self/fd").iterdir())), "asyncio": count}


@pytest.fixture
def _nothing_is_left() -> Iterator[None]:
    before = held()
    yield
    after = held()
    assert all(after[kind] <= before[kind] for kind in before), (before, after)


USES = pytest.mark.usefixtures("_nothing_is_left")


# -- what comes when


def test_an_update_comes_before_the_source_is_asked_again_whatever_comes_between() -> None:
    told: list[tuple[int, int]] = []

    def source() -> Iterator[Any]:
        for sequence in range(2):
            for t in range(12):
                assert told == [
                    (s, r) for s in range(sequence + 1) for r in (0, 5, 10) if (s, r) < (sequence, t)
                ]
                yield X[t]
            yield NEW_SEQUENCE

    with fake_server(every=5) as server:
        told.extend((update.sequence, update.t) for update in stream_sync(server.url, source()))
    assert len(told) == 6


def test_the_source_on_ready_and_on_retry_are_called_in_the_thread_of_the_caller() -> None:
    seen: list[int] = []

    def source() -> Iterator[Any]:
        seen.append(get_ident())
        yield X[0]

    def read(_: int) -> None:
        seen.append(get_ident())

    with fake_server() as server:
        list(stream_sync(server.url, source(), on_ready=lambda _: seen.append(get_ident())))
        list(stream_from_sync(server.url, read))
    assert seen == [get_ident()] * 3

    def break_once(stream: FakeStream) -> None:
        if len(seen) == 3:
            stream.socket.close(1012)
        stream.be_honest()

    with fake_server(break_once) as server:
        list(stream_sync(server.url, X[:1], on_retry=lambda _: seen.append(get_ident())))
    assert seen == [get_ident()] * 4


def test_samples_that_are_skipped_are_not_waited_for() -> None:
    """They do not even go to the other thread; and where the stream is parked, the server knows of them."""
    with fake_server(every=40) as server:
        assert [update.t for update in stream_sync(server.url, X[:30], end=False)] == [0]
    assert server.streams[0].messages == [(0, 1, None), (29, 1, None)]


def test_a_stream_fetched_sample_by_sample_is_parked_where_its_last_sample_is() -> None:
    with fake_server(every=5) as server:
        updates = stream_from_sync(server.url, lambda t: X[t] if t < 12 else None, end=False)
        assert [update.t for update in updates] == [0, 5, 10]
    assert server.streams[0].messages == [(0, 1, None), (5, 1, None), (10, 1, None)]


def test_a_bad_sample_is_raised_after_the_updates_before_it() -> None:
    bad, told = X.copy(), list[int]()
    bad[10] = np.nan
    with fake_server(every=5) as server, pytest.raises(SampleError, match="sample 10: expected finite"):
        told.extend(update.t for update in stream_sync(server.url, bad, window=9))
    assert told == [0, 5]


@pytest.mark.parametrize("form", ["stream", "stream_from"])
def test_a_stream_whose_source_is_silent_is_kept_alive(form: str) -> None:
    alive = Event()

    def listen(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        for _ in range(3):
            assert stream.hear().type == "keepalive"
        alive.set()
        stream.be_honest()

    def read(t: int) -> Any:
        if t == 1:
            assert alive.wait(60)
        return X[t] if t < 2 else None

    limits = {"idle_timeout_seconds": 0.15, "replay_updates": 32}
    with fake_server(listen, every=1, limits=limits) as server:
        source = map(read, range(2))
        updates = stream_sync(server.url, source) if form == "stream" else stream_from_sync(server.url, read)
        assert [update.t for update in updates] == [0, 1]


def test_a_connection_that_breaks_while_the_source_is_silent_is_back_before_it_speaks() -> None:
    back = Event()

    def breaks_once(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        if len(fake.streams) == 1:
            stream.socket.close(1011)
        stream.be_honest()

    def source() -> Iterator[Any]:
        yield X[0]
        for _ in range(600):
            if len(fake.streams) > 1:
                break
            back.wait(0.1)
        yield from X[1:]

    with fake_server(breaks_once, every=5, limits={"durable": True, "replay_updates": 32}) as fake:
        assert [update.t for update in stream_sync(fake.url, source(), retry=SOON)] == READ


# -- how it ends


@USES
def test_a_thousand_streams_and_connections_leave_nothing(server: ServerProcess) -> None:
    for number in range(500):
        with connect_sync(server.url()) as connection:
            if number % 2:
                connection.send(X[0])
        updates = stream_sync(server.url().replace("127.0.0.1", "localhost"), X[:3], window=1 + number % 3)
        if number % 2:
            assert next(updates).t == 0
            updates.close()
        else:
            assert list(updates)[0].t == 0  # noqa: RUF015 - to its end
    del connection, updates


@USES
def test_an_error_of_the_source_is_raised_and_everything_is_closed(server: ServerProcess) -> None:
    def broken() -> Iterator[Any]:
        yield X[0]
        raise OSError("unplugged")

    def read(t: int) -> Any:
        raise OSError(f"unplugged at {t}")

    told: list[int] = []
    with pytest.raises(OSError, match="unplugged"):
        told.extend(update.t for update in stream_sync(server.url(), broken()))
    assert told == [0]
    with pytest.raises(OSError, match="unplugged at 0"):
        list(stream_from_sync(server.url(), read))


@USES
def test_an_error_of_on_ready_is_raised_and_everything_is_closed(server: ServerProcess) -> None:
    def reject(ready: Ready) -> None:
        raise OSError(ready.model)

    with pytest.raises(OSError, match="watch"):
        list(stream_sync(server.url(), X, on_ready=reject))


def _break(updates: Iterator[Any]) -> None:
    for _ in updates:
        break


@USES
@pytest.mark.parametrize("leave", [_break, next, lambda updates: updates.close(), lambda _: None])
def test_a_stream_that_is_dropped_closes_and_is_parked(
    server: ServerProcess, leave: Callable[[Any], Any]
) -> None:
    updates = stream_sync(server.url(), X, stream_id=f"dropped-{id(leave)}")
    next(updates)
    leave(updates)
    del updates
    with connect_sync(server.url(), stream_id=f"dropped-{id(leave)}") as connection:
        assert connection.ready.resumed
        assert connection.ready.next >= 1
    del connection


@USES
def test_a_stream_in_a_cycle_is_closed_by_the_garbage_collector(server: ServerProcess) -> None:
    ring: list[Any] = [stream_sync(server.url(), X)]
    next(ring[0])
    ring.append(ring)
    before = active_count()
    del ring
    gc.collect()
    assert active_count() == before - 1


@USES
def test_a_dead_server_is_an_error_and_leaves_nothing() -> None:
    with pytest.raises(ConnectionFailed):
        list(stream_sync("ws://127.0.0.1:1/v1/models/fake/stream", X))
    with pytest.raises(ConnectionFailed), connect_sync("ws://localhost:1/v1/models/fake/stream"):
        pass


@USES
@pytest.mark.parametrize(
    "retry", [None, RetryPolicy(retry_timeout_seconds=0.2, initial_backoff_seconds=0.01)]
)
def test_a_server_that_is_killed_is_an_error_and_leaves_nothing(
    server: ServerProcess, retry: RetryPolicy | None
) -> None:
    def source() -> Iterator[Any]:
        yield X[0]
        server.kill()
        yield from X[1:]

    updates = stream_sync(server.url(), source(), retry=retry, wake=False, window=1)
    with connect_sync(server.url()) as connection:
        assert next(updates).t == 0
        with pytest.raises((StreamClosed, ConnectionFailed)):
            list(updates)
        with pytest.raises(StreamClosed):
            connection.send(X[0])
    server.start()
    del connection, updates


@USES
def test_a_stream_whose_loop_another_thread_has_closed_says_so() -> None:
    """As the end of the interpreter does."""
    with fake_server() as server:
        core, reconnect = prepared(server.url, {}, window=1, retry=None)
        with SyncDriver(core, reconnect, {}, on_ready=None, on_retry=None) as driver:
            assert list(driver.start()) == []
            driver._loop.close()
            with pytest.raises(StreamClosed, match="closed with 1000: by the client"):
                list(driver.put(X[:1], t=0))
        del core, reconnect, driver


@USES
def test_a_stream_may_be_left_while_it_tries_to_come_back(server: ServerProcess) -> None:
    updates = stream_sync(server.url(), X, wake=False, window=1)
    next(updates)
    server.kill()
    updates.close()
    server.start()
    del updates


# -- a server that is frozen


def _quiet(server: ServerProcess) -> None:
    with connect_sync(server.url()) as connection:
        connection.send(X[0])
        server.pause()


def _congested(server: ServerProcess) -> None:
    """Nothing more fits into the sockets between us and the server, so not even a close frame goes out."""

    def post() -> None:
        with suppress(StreamClosed):
            while True:
                connection.post(np.zeros((4096, FEATURES)), t=0)

    poster = Thread(target=post)
    with connect_sync(server.url()) as connection:
        server.pause()
        poster.start()
        transport = connection._socket.transport
        while transport.get_write_buffer_size() <= transport.get_write_buffer_limits()[1]:
            poster.join(0.05)
    poster.join()


def _stream(server: ServerProcess) -> None:
    updates = stream_sync(server.url(), X)
    next(updates)
    server.pause()
    updates.close()


@USES
@pytest.mark.parametrize("use", [_quiet, _congested, _stream])
def test_leaving_does_not_wait_for_a_frozen_server(
    server: ServerProcess, use: Callable[[ServerProcess], None]
) -> None:
    user = Thread(target=use, args=(server,), daemon=True)
    user.start()
    user.join(8)
    waits = user.is_alive()
    server.go_on()
    user.join(60)
    assert not waits


# -- how the interpreter ends

PROGRAM = """
import itertools, os, sys, threading, time
from skiprnn_client import connect_sync, stream_from_sync, stream_sync

url = sys.argv[1]
X = [[0.0, 0.0, 0.0]]

def silent():
    yield X[0]
    print("up", flush=True)
    time.sleep(60)

def report():
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("skiprnn_client")]
    print(names, sum("socket" in os.readlink(f"/proc/self/fd/{n}") for n in map(int, os.listdir("/proc/self/fd")[:-1])))

"""


def program(code: str, url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-c", PROGRAM + code, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


ENDS = {
    "a stream": "updates = stream_sync(url, X * 9)\nnext(updates)",
    "a connection": "opening = connect_sync(url)\nconnection = opening.__enter__()\nconnection.send(X[0])",
    "many": "held = [stream_sync(url, X * 9) for _ in range(20)]\nfor updates in held: next(updates)",
    "in the source": "def leave():\n  yield X[0]\n  sys.exit()\nfor _ in stream_sync(url, leave()): pass",
    "a daemon thread": (
        "def run():\n  for _ in stream_sync(url, silent()): pass\n"
        "threading.Thread(target=run, daemon=True).start()\ntime.sleep(0.5)"
    ),
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # the second is resolved in a thread
@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_the_interpreter_ends_while_a_stream_is_open(server: ServerProcess, code: str, host: str) -> None:
    with program(code, server.url().replace("127.0.0.1", host)) as process:
        _, said = process.communicate()
    assert said == ""
    assert process.returncode == 0


INTERRUPTED = {
    "in receive": "with connect_sync(url) as connection:\n    print('up', flush=True)\n    connection.receive()",
    "in the source": "for _ in stream_sync(url, silent()): pass",
    "in read": (
        "def read(t):\n    print('up', flush=True)\n    time.sleep(60)\nfor _ in stream_from_sync(url, read): pass"
    ),
    "anywhere": "for _ in stream_sync(url, itertools.chain(silent_start(), itertools.cycle(X))): pass",
}


@pytest.mark.parametrize("code", INTERRUPTED.values(), ids=INTERRUPTED)
def test_an_interrupt_in_the_thread_of_the_caller_closes_everything(server: ServerProcess, code: str) -> None:
    start = "def silent_start():\n    yield X[0]\n    print('up', flush=True)\n\n"
    body = "\n".join(f"    {line}" for line in code.splitlines())
    whole = f"{start}try:\n{body}\nexcept KeyboardInterrupt:\n    report()\n"
    with program(whole, server.url()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        out, said = process.communicate()
    assert (out, said) == ("[] 0\n", "")
    assert process.returncode == 0


def test_a_connection_may_be_used_again_after_an_interrupt(server: ServerProcess) -> None:
    code = """
with connect_sync(url) as connection:
    for _ in range(3):
        try:
            print("up", flush=True)
            connection.receive()
        except KeyboardInterrupt:
            print(connection.send(X[0]).t, flush=True)
report()
"""
    with program(code, server.url()) as process:
        assert process.stdout is not None
        for t in range(3):
            assert process.stdout.readline() == "up\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == f"{t}\n", process.communicate()
        assert process.stderr is not None
        out, said = process.stdout.read(), process.stderr.read()
    assert (out, said) == ("[] 0\n", "")
    assert process.returncode == 0
