"""Both kinds of driver around the core: connections come and go, the user sees updates."""

import asyncio
import http
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from skiprnn_client import (
    NEW_SEQUENCE,
    Ready,
    Retry,
    RetryPolicy,
    ServerError,
    StreamClosed,
    Update,
    stream,
    stream_sync,
)
from support.fake_server import FEATURES, FakeStream, fake_server

X = np.arange(43 * FEATURES).reshape(43, FEATURES)
READ = list(range(0, 43, 5))
SOON = RetryPolicy(initial_backoff_seconds=0.001, max_backoff_seconds=0.01)
DURABLE: dict[str, Any] = {"limits": {"replay_updates": 32, "durable": True}}


def run_async(*arguments: Any, **options: Any) -> Iterator[Update]:
    """`stream`, as a plain list."""

    async def run() -> list[Update]:
        return [update async for update in stream(*arguments, **options)]

    return iter(asyncio.run(run()))


BOTH = pytest.mark.parametrize("make", [run_async, stream_sync])
Make = Callable[..., Iterator[Update]]


def forgets_after(messages: int) -> Callable[[FakeStream], None]:
    """A server that knows no stream, and dies after so many messages until it has died twice."""
    deaths: list[int] = []

    def script(stream: FakeStream) -> None:
        for _ in range(messages if len(deaths) < 2 else 10_000):
            stream.answer(stream.hear())
        deaths.append(1)
        stream.socket.close(1011)

    return script


@BOTH
def test_a_stream_that_begins_again_gives_each_update_once(make: Make) -> None:
    with fake_server(forgets_after(3), **DURABLE) as server:
        updates = list(make(server.url, X, retry=SOON))
    assert [update.t for update in updates] == READ
    assert len(server.streams) == 3
    assert "stream_id=made-up" in server.streams[1].path
    assert "version=1" in server.streams[1].path


@BOTH
def test_on_ready_is_told_of_every_connection(make: Make) -> None:
    heard: list[Ready] = []
    with fake_server(forgets_after(3), **DURABLE) as server:
        list(make(server.url, X, retry=SOON, on_ready=heard.append))
    assert [ready.stream_id for ready in heard] == ["made-up"] * 3


@BOTH
def test_a_server_that_is_full_is_asked_again(make: Make) -> None:
    asked: list[str] = []

    def reject(socket: ServerConnection, request: Request) -> Response | None:
        asked.append(request.path)
        return socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "full") if len(asked) < 3 else None

    with fake_server(reject=reject) as server:
        assert [update.t for update in make(server.url, X, retry=SOON)] == READ
    assert len(asked) == 3


@BOTH
def test_on_retry_is_told_of_every_further_try_and_why(make: Make) -> None:
    heard: list[Retry] = []
    with fake_server(forgets_after(3), **DURABLE) as server:
        assert [update.t for update in make(server.url, X, retry=SOON, on_retry=heard.append)] == READ
    assert [retry.attempt for retry in heard] == [1, 1], "the server answered in between"
    for retry in heard:
        assert 0 <= retry.seconds <= SOON.max_backoff_seconds
        assert retry.reason.startswith("closed with 1011")


@BOTH
def test_on_retry_is_not_called_where_no_try_follows(make: Make) -> None:
    heard: list[Retry] = []
    with fake_server(forgets_after(3), **DURABLE) as server, pytest.raises(StreamClosed):
        list(make(server.url, X, retry=None, on_retry=heard.append))
    assert heard == []


@BOTH
def test_another_address_is_tried_when_the_first_is_dead(make: Make) -> None:
    with fake_server() as server:
        urls = ["ws://127.0.0.1:1/v1/models/fake/stream", server.url]
        assert [update.t for update in make(urls, X)] == READ


@BOTH
def test_a_server_that_goes_away_is_left_for_another_once_everything_is_answered(make: Make) -> None:
    def warn(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        stream.say(type="go_away", time_left_ms=60_000)
        while True:
            stream.answer(stream.hear())

    at = DURABLE | {"next": 1, "wake": 5, "resumed": True}
    with fake_server(warn, **DURABLE) as one, fake_server(**at) as other:
        updates = list(make([one.url, other.url], X, retry=SOON))
    assert [update.t for update in updates] == READ
    assert len(one.streams) == len(other.streams) == 1
    assert "end" in [message.type for message in other.streams[0].messages]


@BOTH
def test_with_nowhere_else_to_go_the_warning_changes_nothing(make: Make) -> None:
    def warn(stream: FakeStream) -> None:
        stream.say(type="go_away", time_left_ms=60_000)
        stream.be_honest()

    with fake_server(warn) as server:
        assert [update.t for update in make(server.url, X)] == READ
    assert len(server.streams) == 1


@BOTH
def test_a_stream_that_another_connection_took_is_not_taken_back(make: Make) -> None:
    def lose(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        stream.error("owned_elsewhere", "opened by another connection", fatal=True)
        stream.socket.close(4409)

    with fake_server(lose) as server, pytest.raises(ServerError, match="owned_elsewhere"):
        list(make(server.url, X))
    assert len(server.streams) == 1


@BOTH
def test_a_stream_that_was_parked_for_being_idle_comes_back(make: Make) -> None:
    def park(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        if len(server.streams) == 1:
            stream.error("idle", "nothing was heard", fatal=True)
            stream.socket.close(4408)
        stream.be_honest()

    with fake_server(park, **DURABLE) as server:
        assert [update.t for update in make(server.url, X, retry=SOON)] == READ
    assert len(server.streams) == 2


@BOTH
def test_a_lost_connection_is_an_error_for_who_wants_it_so(make: Make) -> None:
    with fake_server(forgets_after(3)) as server, pytest.raises(StreamClosed, match="1011"):
        list(make(server.url, X, retry=None))


@BOTH
def test_sequences_are_told_apart(make: Make) -> None:
    with fake_server(every=5) as server:
        updates = list(make(server.url, [X[:12], NEW_SEQUENCE, X[:7]]))
    assert [(update.sequence, update.t) for update in updates] == [(0, 0), (0, 5), (0, 10), (1, 0), (1, 5)]
    assert [message.type for message in server.streams[0].messages] == [None, "reset", None, "end"]


async def test_a_live_stream_that_says_nothing_is_kept_alive() -> None:
    alive = asyncio.Event()
    loop = asyncio.get_running_loop()

    def listen(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        assert stream.hear().type == "keepalive"
        loop.call_soon_threadsafe(alive.set)
        stream.be_honest()

    async def sensor() -> AsyncIterator[list[float]]:
        yield [0.0] * FEATURES
        await alive.wait()
        yield [0.0] * FEATURES

    limits = {"idle_timeout_seconds": 0.3, "replay_updates": 32}
    with fake_server(listen, every=1, limits=limits) as server:
        assert [update.t async for update in stream(server.url, sensor())] == [0, 1]
