"""`connect` and `Connection` against a small fake server."""

import asyncio
import json
import socket

import numpy as np
import pytest

from skiprnn_client import (
    Connection,
    Ended,
    GoAway,
    ProtocolError,
    Reply,
    SampleError,
    ServerError,
    StreamClosed,
    connect,
)
from skiprnn_client.messages import Encoding
from support.fake_server import FEATURES, FakeStream, fake_server

X = np.ones(FEATURES)


@pytest.mark.parametrize("encoding", ["f32", "json"])
async def test_a_sample_is_answered_and_the_position_moves(encoding: Encoding) -> None:
    with fake_server(every=5) as server:
        async with connect(server.url, encoding=encoding) as connection:
            assert connection.ready.stream_id == "made-up"
            assert connection.next_needed == 0
            reply = await connection.send(X)
            assert (reply.t, reply.wake, [update.t for update in reply.updates]) == (0, 5, [0])
            assert (connection.next, connection.wake, connection.next_needed) == (1, 5, 5)
            reply = await connection.send([X] * 6, t=5)
            assert [update.t for update in reply.updates] == [5, 10]
            assert await connection.end() == Ended(samples=11, updates=2)


async def test_sends_from_many_tasks_get_each_their_own_answer() -> None:
    with fake_server(every=3) as server:
        async with connect(server.url) as connection:
            replies = await asyncio.gather(*[connection.send([X] * 3) for _ in range(40)])
    assert [[update.t for update in reply.updates] for reply in replies] == [[3 * n] for n in range(40)]


async def test_a_wrong_sample_is_rejected_before_it_is_sent() -> None:
    with fake_server() as server:
        async with connect(server.url) as connection:
            with pytest.raises(SampleError, match="sample 0"):
                await connection.send([1.0, np.nan, 2.0])
            with pytest.raises(SampleError, match="got \\(2,\\)"):
                await connection.send([1.0, 2.0])
            await connection.send(X)
    assert server.streams[0].messages == [(0, 1, None)]


async def test_after_an_error_the_stream_goes_on_where_the_server_says() -> None:
    with fake_server(every=5) as server:
        async with connect(server.url) as connection:
            await connection.send(X)
            with pytest.raises(ServerError, match="gap: expected at most 5, got 9") as caught:
                await connection.send(X, t=9)
            assert (caught.value.code, caught.value.next, caught.value.fatal) == ("gap", 1, False)
            assert connection.next == 1
            assert (await connection.send([X] * 5)).updates[0].t == 5


async def test_missed_samples_move_the_update_that_falls_on_them() -> None:
    with fake_server(every=5) as server:
        async with connect(server.url) as connection:
            await connection.send(X)
            assert await connection.missed() == Reply(1, 5, ())
            assert await connection.missed(3, t=4) == Reply(6, 7, ())
            assert (connection.next, connection.wake) == (7, 7)
            assert [update.t for update in (await connection.send(X)).updates] == [7]
            with pytest.raises(ServerError, match="gap: expected at most 12, got 13"):
                await connection.missed(t=13)
            with pytest.raises(SampleError, match="sample 8: expected at least 1 missed sample, got 0"):
                await connection.missed(0)
            assert connection.next == 8


async def test_a_server_that_does_not_know_missed_samples_is_named() -> None:
    def old(stream: FakeStream) -> None:
        stream.hear()
        stream.error("message", "expected x", next=0)
        stream.be_honest()

    with fake_server(old) as server:
        async with connect(server.url) as connection:
            with pytest.raises(ServerError, match="this server does not take missed samples; it is older"):
                await connection.missed(3)
            assert connection.next == 0
            assert (await connection.send(X)).t == 0


async def test_a_cancelled_send_does_not_disturb_the_next() -> None:
    with fake_server(_answer_after_two, every=1) as server:
        async with connect(server.url) as connection:
            first = asyncio.create_task(connection.send(X))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.wait([first])
            assert (await connection.send(X)).t == 1


def _answer_after_two(stream: FakeStream) -> None:
    for message in [stream.hear(), stream.hear()]:
        stream.answer(message)
    stream.be_honest()


async def test_reset_waits_for_what_is_on_its_way_and_starts_at_0() -> None:
    with fake_server(every=5) as server:
        async with connect(server.url) as connection:
            answers = [await connection.post(X) for _ in range(3)]
            await connection.reset()
            assert all(answer.done() for answer in answers)
            assert connection.next_needed == 0
            assert (await connection.send(X)).updates[0].t == 0
    assert [message.type for message in server.streams[0].messages] == [None, None, None, "reset", None]


async def test_keepalive_is_said_and_not_answered() -> None:
    with fake_server() as server:
        async with connect(server.url) as connection:
            await connection.keepalive()
            assert (await connection.send(X)).t == 0
    assert server.streams[0].messages[0].type == "keepalive"


@pytest.mark.parametrize(
    ("code", "resumable"), [(1012, True), (1001, True), (1000, False), (1008, False), (4409, False)]
)
async def test_a_close_tells_whether_the_stream_can_go_on(code: int, resumable: bool) -> None:
    def leave(stream: FakeStream) -> None:
        stream.hear()
        stream.socket.close(code, "so long")

    with fake_server(leave) as server:
        async with connect(server.url) as connection:
            with pytest.raises(StreamClosed, match=f"closed with {code}: so long") as caught:
                await connection.send(X)
            with pytest.raises(StreamClosed):
                await connection.send(X)
    assert (caught.value.code, caught.value.resumable) == (code, resumable)


async def test_a_lost_connection_is_1006_and_resumable() -> None:
    def vanish(stream: FakeStream) -> None:
        stream.hear()
        stream.socket.socket.shutdown(socket.SHUT_RDWR)

    with fake_server(vanish) as server:
        async with connect(server.url) as connection:
            with pytest.raises(StreamClosed, match="closed with 1006: connection lost") as caught:
                await connection.send(X)
    assert caught.value.resumable


async def test_the_last_words_before_a_close_are_what_is_raised() -> None:
    def throw_out(stream: FakeStream) -> None:
        stream.hear()
        stream.error("rate", "too fast", fatal=True)
        stream.socket.close(1008)

    with fake_server(throw_out) as server:
        async with connect(server.url) as connection:
            answers = [await connection.post(X) for _ in range(3)]
            for answer in answers:
                with pytest.raises(ServerError, match="rate: too fast") as caught:
                    await answer
                assert caught.value.fatal
            with pytest.raises(ServerError, match="rate: too fast"):
                await connection.send(X)


async def test_go_away_is_noted_and_the_stream_goes_on() -> None:
    def warn(stream: FakeStream) -> None:
        stream.say(type="go_away", time_left_ms=500)
        stream.be_honest()

    with fake_server(warn) as server:
        async with connect(server.url) as connection:
            assert connection.go_away is None
            await connection.send(X)
            assert connection.go_away == GoAway(500)


@pytest.mark.parametrize("nonsense", [b"\x00", "[]", json.dumps({"type": "closed"})])
async def test_nonsense_ends_the_connection_with_the_reason(nonsense: bytes | str) -> None:
    def babble(stream: FakeStream) -> None:
        stream.hear()
        stream.socket.send(nonsense)
        stream.hear()

    with fake_server(babble) as server:
        async with connect(server.url) as connection:
            with pytest.raises(ProtocolError):
                await connection.send(X)


async def test_an_answer_of_another_kind_is_a_protocol_error_and_ends_the_connection() -> None:
    def confuse(stream: FakeStream) -> None:
        stream.hear()
        stream.say(type="ended", samples=0, updates=0)
        stream.hear()

    with fake_server(confuse) as server:
        async with connect(server.url) as connection:
            with pytest.raises(ProtocolError, match="expected a reply, got Ended"):
                await connection.send(X)
            with pytest.raises(ProtocolError, match="expected a reply, got Ended"):
                await connection.send(X)


async def test_a_reply_is_not_taken_for_the_end() -> None:
    def confuse(stream: FakeStream) -> None:
        stream.hear()
        stream.send_reply([])
        stream.hear()

    with fake_server(confuse, next=1) as server:
        async with connect(server.url) as connection:
            with pytest.raises(ProtocolError, match="expected 'ended', got Reply"):
                await connection.end()


@pytest.mark.parametrize("words", [["ended"], ["closed"], ["ended", "closed"]])
async def test_a_server_may_say_ended_or_as_older_ones_closed_or_both(words: list[str]) -> None:
    def end(stream: FakeStream) -> None:
        stream.hear()
        for word in words:
            stream.say(type=word, samples=9, updates=2)
        stream.be_honest()

    with fake_server(end) as server:
        async with connect(server.url) as connection:
            assert await connection.end() == Ended(9, 2)
            assert (await connection.send(X)).t == 0  # no answer is left over


async def test_an_answer_to_nothing_is_not_taken_for_the_next_one() -> None:
    def interrupt(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        stream.send_reply([])
        stream.be_honest()

    with fake_server(interrupt) as server:
        async with connect(server.url) as connection:
            await connection.send(X)
            with pytest.raises(ProtocolError, match="an answer to nothing"):
                await _send_forever(connection)


async def _send_forever(connection: Connection) -> None:
    while True:
        await connection.send(X)


async def test_another_kind_of_server_is_named_as_such() -> None:
    with fake_server(ready="hello") as server:
        opening = connect(server.url)
        with pytest.raises(ProtocolError, match="expected a JSON object, got 'hello'"):
            await opening.__aenter__()


async def test_an_error_instead_of_ready_is_raised() -> None:
    error = json.dumps({"type": "error", "code": "threshold", "message": "too low", "fatal": True})
    with fake_server(ready=error) as server, pytest.raises(ServerError, match="threshold: too low"):
        async with connect(server.url):
            pass
