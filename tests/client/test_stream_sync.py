"""The synchronous forms against the same fake server."""

import socket
from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from skiprnn_client import (
    ClientError,
    ConnectionFailed,
    Ended,
    GoAway,
    ProtocolError,
    SampleError,
    ServerError,
    StreamClosed,
    connect_sync,
    stream_from_sync,
    stream_sync,
)
from skiprnn_client.messages import Encoding
from support.fake_server import FEATURES, FakeStream, fake_server

X = np.arange(43 * FEATURES).reshape(43, FEATURES)
READ = list(range(0, 43, 5))


@pytest.mark.parametrize("encoding", ["f32", "json"])
@pytest.mark.parametrize("wake", [True, False])
@pytest.mark.parametrize("window", [None, 1, 3, 50])
@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
def test_the_updates_are_the_same_however_the_samples_travel(
    encoding: Encoding, wake: bool, window: int | None, chunk: int | None
) -> None:
    with fake_server(every=5) as server:
        got = list(stream_sync(server.url, X, encoding=encoding, wake=wake, window=window, chunk=chunk))
    assert [update.t for update in got] == READ
    assert [update.y.tolist() for update in got] == [[t, 1] for t in READ]


def test_only_samples_that_are_read_are_sent() -> None:
    with fake_server(every=5) as server:
        assert [update.t for update in stream_sync(server.url, X)] == READ
    assert server.streams[0].messages == [*((t, 1, None) for t in READ), (-1, 0, "end")]


def test_an_update_comes_before_the_source_is_asked_for_its_next_sample() -> None:
    seen: list[int] = []

    def sensor() -> Iterator[list[float]]:
        for t in range(3):
            assert len(seen) == t
            yield [0.0] * FEATURES

    with fake_server(every=1) as server:
        seen.extend(update.t for update in stream_sync(server.url, sensor()))
    assert seen == [0, 1, 2]


def test_only_samples_that_are_read_are_fetched() -> None:
    fetched: list[int] = []

    def camera(t: int) -> NDArray[Any] | None:
        fetched.append(t)
        return X[t] if t < len(X) else None

    with fake_server(every=5) as server:
        assert [update.t for update in stream_from_sync(server.url, camera)] == READ
    assert fetched == [*READ, 45]


def test_a_resumed_stream_may_be_given_the_recording_again_from_its_start() -> None:
    with fake_server(every=5, next=12, wake=15, resumed=True) as server:
        assert [update.t for update in stream_sync(server.url, X, start=0, end=False)] == READ[3:]
    assert "end" not in [message.type for message in server.streams[0].messages]


def test_messages_may_be_posted_ahead_and_are_answered_in_order() -> None:
    with fake_server(every=2) as server, connect_sync(server.url) as connection:
        for x in X[:6]:
            connection.post(x)
        with pytest.raises(ClientError, match="send: 6 messages are not answered yet"):
            connection.send(X[6])
        assert [connection.receive().t for _ in range(6)] == list(range(6))
        connection.keepalive()
        connection.reset()
        assert connection.send(X[0]).t == 0
        assert connection.end() == Ended(samples=1, updates=0)


def test_after_an_error_the_stream_goes_on_where_the_server_says() -> None:
    with fake_server(every=5) as server, connect_sync(server.url) as connection:
        connection.send(X[0])
        with pytest.raises(ServerError, match="gap: expected at most 5, got 9"):
            connection.send(X[0], t=9)
        assert (connection.next, connection.in_flight) == (1, 0)
        with pytest.raises(SampleError):
            connection.send([1.0])
        assert connection.send(X[:5]).updates[0].t == 5


@pytest.mark.parametrize("notices", ["post", "receive"])
def test_the_last_words_before_a_close_are_what_is_raised(notices: str) -> None:
    gone = Event()

    def throw_out(stream: FakeStream) -> None:
        stream.hear()
        stream.error("rate", "too fast", fatal=True)
        stream.socket.close(1008)
        gone.set()

    with fake_server(throw_out) as server, connect_sync(server.url) as connection:
        connection.post(X[0])
        gone.wait()
        with pytest.raises(ServerError, match="rate: too fast"):
            connection.receive() if notices == "receive" else connection.post(X[1])


def test_a_close_is_told_apart_from_the_end_of_the_stream() -> None:
    def restart(stream: FakeStream) -> None:
        stream.say(type="go_away", time_left_ms=0)
        stream.hear()
        stream.socket.close(1012, "restarting")

    with fake_server(restart) as server, connect_sync(server.url) as connection:
        with pytest.raises(StreamClosed, match="closed with 1012: restarting"):
            connection.send(X[0])
        assert connection.go_away == GoAway(0)


def test_answers_out_of_place_are_noticed() -> None:
    def confuse(stream: FakeStream) -> None:
        stream.hear()
        stream.say(type="closed", samples=0, updates=0)
        stream.hear()
        stream.send_reply([0])

    with fake_server(confuse, next=1) as server, connect_sync(server.url) as connection:
        with pytest.raises(ProtocolError, match="expected a reply"):
            connection.send(X[0])
        with pytest.raises(ProtocolError, match="expected 'ended'"):
            connection.end()


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        opening = connect_sync(f"ws://127.0.0.1:{taken.getsockname()[1]}/x")
        with pytest.raises(ConnectionFailed):
            opening.__enter__()


def test_another_kind_of_server_is_named_as_such() -> None:
    with fake_server(ready="hello") as server:
        opening = connect_sync(server.url)
        with pytest.raises(ProtocolError, match="expected a JSON object, got 'hello'"):
            opening.__enter__()
