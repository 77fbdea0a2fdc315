"""The synchronous forms against the same fake server."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from skiprnn_client import (
    MISSED,
    stream_from_sync,
    stream_sync,
)
from skiprnn_client.messages import Encoding
from support.fake_server import FEATURES, fake_server

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


def test_an_update_that_falls_on_missed_samples_waits_for_the_next_one() -> None:
    with fake_server(every=5) as server:
        samples = [*X[:2], None, *X[3:5], MISSED, None, *X[7:14]]
        assert [update.t for update in stream_sync(server.url, samples)] == [0, 7, 12]
        updates = stream_from_sync(server.url, lambda t: None if t >= 20 else MISSED if t in (5, 6) else X[t])
        assert [update.t for update in updates] == [0, 7, 12, 17]
    missed = [message.t for message in server.streams[0].messages if message.type == "missed"]
    assert missed == [5, 6], "what would be skipped is not told"
