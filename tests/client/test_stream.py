"""`stream` and `stream_from` against a small fake server whose network reads every fifth sample."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from skiprnn_client import MISSED, SampleError, ServerError, StreamClosed, Update, stream, stream_from
from skiprnn_client.messages import Encoding
from support.fake_server import FEATURES, FakeStream, fake_server

X = np.arange(43 * FEATURES).reshape(43, FEATURES)
READ = list(range(0, 43, 5))


async def indices(updates: AsyncIterator[Update]) -> list[int]:
    return [update.t async for update in updates]


@pytest.mark.parametrize("encoding", ["f32", "json"])
@pytest.mark.parametrize("wake", [True, False])
@pytest.mark.parametrize("window", [None, 1, 3, 50])
@pytest.mark.parametrize("chunk", [None, 1, 4, 100])
async def test_the_updates_are_the_same_however_the_samples_travel(
    encoding: Encoding, wake: bool, window: int | None, chunk: int | None
) -> None:
    with fake_server(every=5) as server:
        updates = stream(server.url, X, encoding=encoding, wake=wake, window=window, chunk=chunk)
        got = [update async for update in updates]
    assert [update.t for update in got] == READ
    assert [update.y.tolist() for update in got] == [[t, 1] for t in READ]


async def test_only_samples_that_are_read_are_sent() -> None:
    with fake_server(every=5) as server:
        assert await indices(stream(server.url, X)) == READ
    assert server.streams[0].messages == [*((t, 1, None) for t in READ), (-1, 0, "end")]


async def test_a_block_is_sent_from_its_first_sample_that_is_read() -> None:
    with fake_server(every=5) as server:
        await indices(stream(server.url, [X[:7], X[7:9], X[9:20]]))
    assert server.streams[0].messages[:-1] == [(0, 7, None), (10, 10, None)]


async def test_without_wake_every_sample_is_sent() -> None:
    with fake_server(every=5) as server:
        await indices(stream(server.url, X, wake=False))
    assert server.streams[0].messages[:-1] == [(t, 1, None) for t in range(len(X))]


async def test_no_more_messages_than_the_window_are_on_their_way() -> None:
    with fake_server(_hold_back_until_three, every=1) as server:
        assert await indices(stream(server.url, X, window=3)) == list(range(len(X)))


def _hold_back_until_three(stream: FakeStream) -> None:
    """Answers only once three messages came, or the end: a client with a smaller window would wait for ever."""
    held = [stream.hear() for _ in range(3)]
    for message in held:
        stream.answer(message)
    stream.be_honest()


@pytest.mark.parametrize("window", [1, 16])
async def test_an_update_comes_before_a_live_source_has_its_next_sample(window: int) -> None:
    seen = asyncio.Event()

    async def sensor() -> AsyncIterator[list[float]]:
        for _ in range(3):
            seen.clear()
            yield [0.0] * FEATURES
            await seen.wait()

    with fake_server(every=1) as server:
        async for _ in stream(server.url, sensor(), window=window):
            seen.set()


async def test_a_source_that_fails_ends_the_stream_after_the_updates_before() -> None:
    def broken() -> Iterator[list[float]]:
        yield [0.0] * FEATURES
        raise OSError("unplugged")

    got: list[int] = []
    with fake_server() as server, pytest.raises(OSError, match="unplugged"):
        await _collect(stream(server.url, broken()), got)
    assert got == [0]
    assert server.streams[0].messages == [(0, 1, None)]  # not ended: it can be resumed


async def _collect(updates: AsyncIterator[Update], into: list[int]) -> None:
    async for update in updates:
        into.append(update.t)  # noqa: PERF401 - what came before an error must be there


async def test_a_bad_sample_is_named_by_its_index() -> None:
    x = X.astype(float)
    x[10] = np.nan
    with fake_server(every=5) as server, pytest.raises(SampleError, match="sample 10: expected finite"):
        await indices(stream(server.url, x))


async def test_a_bad_sample_that_is_not_read_does_no_harm() -> None:
    x = X.astype(float)
    x[11] = np.nan
    with fake_server(every=5) as server:
        assert await indices(stream(server.url, x)) == READ


async def test_an_error_of_the_server_is_raised() -> None:
    def reject(stream: FakeStream) -> None:
        stream.hear()
        stream.error("inference", "out of order")
        stream.be_honest()

    with fake_server(reject) as server, pytest.raises(ServerError, match="inference: out of order"):
        await indices(stream(server.url, X))


async def test_a_connection_that_closes_is_told_apart_from_the_end() -> None:
    def restart(stream: FakeStream) -> None:
        stream.answer(stream.hear())
        stream.socket.close(1012)

    got: list[int] = []
    with fake_server(restart) as server, pytest.raises(StreamClosed, match="closed with 1012"):
        await _collect(stream(server.url, X, retry=None), got)
    assert got == [0]


async def test_leaving_early_does_not_end_the_stream() -> None:
    with fake_server(every=5) as server:
        async with aclosing(stream(server.url, X)) as updates:
            assert (await anext(updates)).t == 0
    assert "end" not in [message.type for message in server.streams[0].messages]


async def test_end_false_leaves_the_stream_to_be_resumed() -> None:
    with fake_server(every=5) as server:
        await indices(stream(server.url, X, end=False))
    assert "end" not in [message.type for message in server.streams[0].messages]


async def test_a_resumed_stream_goes_on_where_it_stood() -> None:
    with fake_server(every=5, next=12, wake=15, resumed=True) as server:
        assert await indices(stream(server.url, X[12:])) == READ[3:]


async def test_a_resumed_stream_may_be_given_the_recording_again_from_its_start() -> None:
    with fake_server(every=5, next=12, wake=15, resumed=True) as server:
        assert await indices(stream(server.url, X, start=0)) == READ[3:]
        assert await indices(stream(server.url, X, start=0, wake=False)) == READ[3:]


@pytest.mark.parametrize("setting", ["window", "chunk"])
async def test_a_window_or_chunk_of_nothing_is_rejected(setting: str) -> None:
    with fake_server() as server, pytest.raises(ValueError, match=f"{setting}: expected at least 1, got 0"):
        await indices(stream(server.url, X, **{setting: 0}))  # type: ignore[arg-type]


async def test_only_samples_that_are_read_are_fetched() -> None:
    fetched: list[int] = []

    def camera(t: int) -> NDArray[Any] | None:
        fetched.append(t)
        return X[t] if t < len(X) else None

    async def slow_camera(t: int) -> NDArray[Any] | None:
        await asyncio.sleep(0)
        return camera(t)

    with fake_server(every=5) as server:
        for read in (camera, slow_camera):
            fetched.clear()
            assert await indices(stream_from(server.url, read)) == READ
            assert fetched == [*READ, 45]
    assert server.streams[0].messages == [*((t, 1, None) for t in READ), (-1, 0, "end")]


@pytest.mark.parametrize("mark", [None, MISSED])
async def test_an_update_that_falls_on_missed_samples_waits_for_the_next_one(mark: Any) -> None:
    samples = [*X[:2], mark, *X[3:5], mark, mark, *X[7:14]]
    with fake_server(every=5) as server:
        assert await indices(stream(server.url, samples)) == [0, 7, 12]
    told = [(t, 1, None) for t in (0, 7, 12)]
    assert server.streams[0].messages == [
        told[0],
        (5, 1, "missed"),
        (6, 1, "missed"),
        *told[1:],
        (-1, 0, "end"),
    ]


async def test_a_sample_that_could_not_be_fetched_is_missed() -> None:
    with fake_server(every=5) as server:
        updates = stream_from(server.url, lambda t: None if t >= 20 else MISSED if t in (5, 6) else X[t])
        assert await indices(updates) == [0, 7, 12, 17]


async def test_a_server_that_does_not_know_missed_samples_is_named() -> None:
    def old(stream: FakeStream) -> None:
        stream.hear()
        stream.error(
            "message", "expected x with samples, or type end, reset or keepalive, got type None and no x"
        )
        stream.be_honest()

    with (
        fake_server(old) as server,
        pytest.raises(ServerError, match="does not take missed samples; it is older"),
    ):
        await indices(stream(server.url, [None]))
