"""`connect_sync` and `SyncConnection` against a small fake server."""

import socket
from threading import Event, Thread

import numpy as np
import pytest

from skiprnn_client import (
    ClientError,
    ConnectionFailed,
    Ended,
    GoAway,
    ProtocolError,
    Reply,
    SampleError,
    ServerError,
    StreamClosed,
    SyncConnection,
    connect_sync,
)
from support.fake_server import FEATURES, FakeStream, fake_server

X = np.arange(43 * FEATURES).reshape(43, FEATURES)


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


def test_missed_samples_move_the_update_that_falls_on_them() -> None:
    with fake_server(every=5) as server, connect_sync(server.url) as connection:
        connection.send(X[0])
        assert connection.missed(3, t=4) == Reply(6, 7, ())
        assert [update.t for update in connection.send(X[7]).updates] == [7]
        connection.post(X[8])
        with pytest.raises(ClientError, match="missed: 1 messages are not answered yet"):
            connection.missed()


def test_a_server_that_does_not_know_missed_samples_is_named() -> None:
    def old(stream: FakeStream) -> None:
        stream.hear()
        stream.error("message", "expected x", next=0)
        stream.be_honest()

    with fake_server(old) as server, connect_sync(server.url) as connection:
        with pytest.raises(ServerError, match="this server does not take missed samples; it is older"):
            connection.missed(3)
        assert connection.send(X[0]).t == 0


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


@pytest.mark.parametrize("words", [["ended"], ["closed"], ["ended", "closed"]])
def test_a_server_may_say_ended_or_as_older_ones_closed_or_both(words: list[str]) -> None:
    def end(stream: FakeStream) -> None:
        stream.hear()
        for word in words:
            stream.say(type=word, samples=9, updates=2)
        stream.be_honest()

    with fake_server(end) as server, connect_sync(server.url) as connection:
        assert connection.end() == Ended(9, 2)
        assert connection.send(X[0]).t == 0


def test_a_connection_that_was_left_says_so() -> None:
    with fake_server() as server, connect_sync(server.url) as connection:
        connection.send(X[0])
    for use in (lambda: connection.send(X[1]), connection.receive, connection.keepalive, connection.end):
        with pytest.raises(StreamClosed, match="closed with 1000: by the client"):
            use()
    connection.close()
    assert connection.in_flight == 0


def test_what_came_before_a_close_is_still_received() -> None:
    answered = Event()

    def answer(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        answered.set()
        stream.hear()

    with fake_server(answer) as server, connect_sync(server.url) as connection:
        connection.post(X[0])
        assert answered.wait(10)
        connection.close()
        assert connection.receive().t == 0
        with pytest.raises(StreamClosed):
            connection.receive()


def test_closing_in_another_thread_wakes_a_receive() -> None:
    told: list[BaseException] = []

    def receive(connection: SyncConnection) -> None:
        try:
            connection.receive()
        except StreamClosed as error:
            told.append(error)

    with fake_server() as server, connect_sync(server.url) as connection:
        receiver = Thread(target=receive, args=(connection,))
        receiver.start()
        connection.close()
        receiver.join(10)
        assert not receiver.is_alive()
    assert len(told) == 1
