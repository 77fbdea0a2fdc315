"""The core of a stream that outlives its connections, against a model server that loses things at random.

Whatever is lost, the updates handed out are exactly those of an uninterrupted run: none missing, none doubled.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from skiprnn_client import NEW_SEQUENCE, BufferFullError, RetryPolicy, ServerError, StreamClosed, StreamLost
from skiprnn_client.messages import Update
from skiprnn_client.resumable_stream import ResumableStream
from skiprnn_client.samples import Block, Missed, NewSequence
from support.model_stream import FEATURES, ModelServer, Point, uninterrupted

Recording = NDArray[np.float32]  # NaN: a sample that was missed


def sequences(lengths: Sequence[int], missed: float = 0.0) -> list[Recording]:
    """`missed`: share of the samples."""
    rng = np.random.default_rng(sum(lengths))
    recordings = [rng.normal(size=(length, FEATURES)).astype(np.float32) for length in lengths]
    for x in recordings:
        x[rng.random(len(x)) < missed] = np.nan
    return recordings


def cut(blocks: Sequence[Recording], sizes: Sequence[int]) -> Iterator[Block | NewSequence]:
    """All samples in blocks of these sizes, over and over."""
    number = 0
    for index, samples in enumerate(blocks):
        if index:
            yield NEW_SEQUENCE
        start = 0
        while start < len(samples):
            size = sizes[number % len(sizes)]
            yield from told_apart(samples[start : start + size])
            start, number = start + size, number + 1


def told_apart(samples: Recording) -> Iterator[Block]:
    """Those that there are, and those that were missed."""
    missed = np.isnan(samples).all(axis=1)
    for run in np.split(samples, np.flatnonzero(np.diff(missed)) + 1):
        yield Missed(len(run)) if np.isnan(run).all() else run


class Client:
    """Drives a core as the sessions do, one step at a time."""

    def __init__(
        self, core: ResumableStream, server: ModelServer, source: Iterator[Block | NewSequence]
    ) -> None:
        self.core, self.server, self.source = core, server, source
        self.told: list[Point] = []
        self.item: Block | NewSequence | None = next(source, None)
        self.lost_for: StreamLost | None = None
        self.connect()

    def connect(self) -> None:
        self.hear(self.core.connected(self.server.connect()))
        self.send()

    def send(self) -> None:
        self.server.coming += self.core.outgoing()

    def hear(self, updates: Sequence[Update]) -> None:
        self.told += [(update.sequence, update.t, float(update.y[0])) for update in updates]

    # -- steps

    def put(self) -> None:
        if self.item is NEW_SEQUENCE and self.core.idle:
            self.core.reset()
        elif isinstance(self.item, np.ndarray | Missed) and self.core.can_send:
            self.core.put(self.item)
        else:
            return
        self.item = next(self.source, None)
        self.send()

    def process(self) -> None:
        self.server.process()

    def receive(self) -> None:
        if self.server.going:
            self.hear(self.core.received(self.server.going.pop(0)))
            self.send()

    def save(self) -> None:
        self.server.save()

    def lose(self) -> None:
        """The socket breaks: what was under way to the server may or may not have come there."""
        if not self.core.over:
            self.core.lost(StreamClosed(1006))
            self.connect()

    def kill(self) -> None:
        self.server.die()
        self.lose()

    def finish(self) -> None:
        """Nothing breaks any more."""
        for _ in range(100_000):
            if self.core.over:
                return
            self.put()
            self.process()
            self.receive()
            self.save()
            if self.item is None and self.core.idle and not self.core._ending:
                self.core.end()
                self.send()
        raise AssertionError("it does not come to an end")


STEPS = ("put", "put", "put", "process", "process", "receive", "receive", "save", "lose", "kill")


@st.composite
def runs(draw: st.DrawFn, *, steps: Sequence[str] = STEPS) -> dict[str, Any]:
    return {
        "lengths": draw(st.lists(st.integers(0, 20), min_size=1, max_size=5)),
        "sizes": draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)),
        # Hypothesis makes short lists unless it is told not to.
        "steps": draw(st.lists(st.sampled_from(steps), min_size=40, max_size=160)),
        "window": draw(st.integers(1, 6)),
        "wake": draw(st.booleans()),
        "missed": draw(st.sampled_from([0.0, 0.2, 0.7])),
    }


def play(run: dict[str, Any], *, durable: bool, max_samples: int = 1000) -> tuple[Client, list[Point]]:
    whole = sequences(run["lengths"], run["missed"])
    core = ResumableStream(
        encoding="f32", window=run["window"], wake=run["wake"], retry=RetryPolicy(max_samples=max_samples)
    )
    client = Client(core, ModelServer(durable), cut(whole, run["sizes"]))
    try:
        for step in run["steps"]:
            getattr(client, step)()
        client.finish()
    except StreamLost as error:
        client.lost_for = error
    return client, uninterrupted(whole)


@settings(max_examples=400)
@given(run=runs(), room=st.integers(1, 50))
def test_with_a_durable_store_every_update_comes_once_whatever_dies(run: dict[str, Any], room: int) -> None:
    client, expected = play(run, durable=True, max_samples=room)
    assert client.told == expected


@settings(max_examples=300)
@given(run=runs(steps=[step for step in STEPS if step != "kill"]))
def test_without_a_durable_store_every_update_comes_once_whatever_socket_breaks(run: dict[str, Any]) -> None:
    client, expected = play(run, durable=False)
    assert client.told == expected


@settings(max_examples=300)
@given(run=runs())
def test_a_server_that_dies_without_a_store_loses_the_stream_or_nothing(run: dict[str, Any]) -> None:
    """Never an update that is wrong, doubled or out of order: either all of them come, or a clear error."""
    client, expected = play(run, durable=False)
    if client.lost_for is None:
        assert client.told == expected
    else:
        assert client.told == expected[: len(client.told)]


def started(*, durable: bool = True, missed: float = 0.0, **policy: Any) -> Client:
    core = ResumableStream(encoding="f32", window=1, wake=False, retry=RetryPolicy(**policy))
    return Client(core, ModelServer(durable), cut(sequences([60], missed), [1]))


def go(client: Client, times: int) -> None:
    for _ in range(times):
        client.put()
        client.process()
        client.receive()


def test_an_answer_after_a_reset_does_not_say_that_the_reset_is_saved() -> None:
    whole = sequences([9, 9])
    core = ResumableStream(encoding="f32", window=1, retry=RetryPolicy())
    client = Client(core, ModelServer(True), cut(whole, [9]))
    client.save()
    go(client, 6)
    assert client.told == uninterrupted(whole)
    client.kill()  # back to the beginning
    client.finish()
    assert client.told == uninterrupted(whole)


def test_only_samples_that_were_read_and_are_not_saved_are_kept() -> None:
    client = started()
    go(client, 20)
    assert len(client.core._buffer) == len(client.told) < 20
    client.save()
    client.receive()
    assert len(client.core._buffer) == 0


def test_missed_samples_are_kept_as_one_until_they_are_saved() -> None:
    """Else a server that comes back from before them would have an update due that never comes."""
    client = started(missed=1.0)
    go(client, 20)
    assert len(client.core._buffer) == 1
    client.kill()
    assert client.server.coming == ['{"t": 0, "missed": 20}']
    client.process()
    client.receive()
    client.save()
    client.receive()
    assert len(client.core._buffer) == 0


def test_missed_samples_whose_answers_were_lost_are_replayed_in_their_place() -> None:
    (x,) = sequences([4])
    x[1:3] = np.nan
    core = ResumableStream(encoding="f32", window=9, wake=False, retry=RetryPolicy())
    client = Client(core, ModelServer(True), told_apart(x))
    for step in (client.put, client.process):
        for _ in range(3):
            step()
    assert len(client.server.going) == 3
    client.lose()  # all three answers
    client.kill()
    assert [json.loads(message) for message in client.server.coming if isinstance(message, str)] == [
        {"t": 1, "missed": 2}
    ]
    client.finish()
    assert client.told == uninterrupted([x])


def test_a_server_that_does_not_know_missed_samples_is_named() -> None:
    client = started(missed=1.0)
    client.put()
    client.server.going = ['{"type": "error", "code": "message", "message": "expected x", "fatal": false}']
    with pytest.raises(ServerError, match=r"it is older than 0\.2: update it.* \(it says: expected x\)"):
        client.receive()


def test_without_a_durable_store_nothing_answered_is_kept() -> None:
    client = started(durable=False)
    go(client, 20)
    assert len(client.core._buffer) == 0


def test_when_full_it_waits_until_something_is_saved() -> None:
    client = started(max_samples=3)
    go(client, 60)
    assert len(client.told) == 3
    assert not client.core.can_send
    client.save()
    client.receive()
    assert client.core.can_send


def test_when_full_it_may_drop_and_then_says_from_where_the_stream_is_lost() -> None:
    client = started(max_samples=3, when_full="drop")
    go(client, 60)
    kept = len(client.core._buffer)
    assert 0 < kept <= 3
    assert client.told == uninterrupted(sequences([60]))
    oldest = client.told[-kept - 1][1] + 1  # all later ones are kept
    with pytest.raises(StreamLost, match=f"lost from sample {oldest} of sequence 0 on") as caught:
        client.kill()
    assert (caught.value.sequence, caught.value.t) == (0, oldest)


def test_when_full_it_may_raise() -> None:
    client = started(max_samples=3, when_full="raise")
    with pytest.raises(BufferFullError, match="3 samples are not saved"):
        go(client, 60)


def test_bytes_are_bounded_too() -> None:
    client = started(max_bytes=4 * FEATURES * 5)
    go(client, 60)
    assert len(client.core._buffer) == 5


@pytest.mark.parametrize("durable", [True, False])
def test_a_stream_that_another_client_moves_is_lost(durable: bool) -> None:
    client = started(durable=durable)
    go(client, 5)
    assert client.server.now
    client.server.now = client.server.now.take(5, [b"\0" * 4 * FEATURES] * 20)
    with pytest.raises(StreamLost, match="another client has sent samples"):
        client.lose()


def test_a_server_that_comes_back_before_what_it_called_saved_is_found_out() -> None:
    client = started()
    go(client, 10)
    before = client.server.now
    go(client, 20)
    client.save()
    go(client, 2)
    client.server.now = before
    with pytest.raises(StreamLost, match="the server went back to sample 10 of sequence 0"):
        client.lose()


def test_a_stream_that_began_again_at_a_reset_is_counted_on() -> None:
    """Between two sequences there is nothing to lose, also where nothing is durable."""
    whole = sequences([9, 9])
    client = Client(
        ResumableStream(encoding="f32", window=1, retry=RetryPolicy()), ModelServer(False), cut(whole, [3])
    )
    go(client, 3)
    client.put()
    client.kill()  # after the reset was put
    client.put()
    client.process()
    client.lose()
    client.finish()
    assert client.told == uninterrupted(whole)


def test_an_end_whose_answer_was_lost_is_an_end() -> None:
    client = started()
    go(client, 60)
    client.core.end()
    client.send()
    client.process()
    client.lose()
    assert client.core.over


def test_an_end_that_was_lost_is_sent_again() -> None:
    client = started()
    go(client, 60)
    client.save()
    client.core.end()
    client.send()
    client.lose()
    assert not client.core.over
    client.finish()
    assert client.server.ended
    assert client.told == uninterrupted(sequences([60]))


@pytest.mark.parametrize("code", [1000, 1002, 1008, 1009, 4409])
def test_a_close_that_another_connection_would_not_mend_is_raised(code: int) -> None:
    with pytest.raises(StreamClosed, match=f"closed with {code}"):
        started().core.lost(StreamClosed(code))


@pytest.mark.parametrize(
    "limits", [{"max_samples": 5}, {"max_message_bytes": 64 + 5 * 4 * FEATURES}, {"max_samples": 1000}]
)
def test_what_is_sent_again_keeps_to_the_limits_of_the_server(limits: dict[str, int]) -> None:
    core = ResumableStream(encoding="f32", window=1, retry=RetryPolicy())
    server = ModelServer(True)
    client = Client(core, server, cut(sequences([400]), [1]))
    for t in range(400):  # every one of them is read
        core._buffer.add((0, t), b"\0" * 4 * FEATURES)
    core.lost(StreamClosed(1006))
    ready = server.connect()
    core.connected(replace(ready, limits={**ready.limits, **limits}))
    client.send()
    sizes = [(len(message) - 8) // (4 * FEATURES) for message in server.coming]
    assert max(sizes) == (256 if limits == {"max_samples": 1000} else 5)


@pytest.mark.parametrize("encoding", ["f32", "json"])
def test_samples_travel_as_they_were_when_they_were_put(encoding: Any) -> None:
    core = ResumableStream(encoding=encoding, window=1, retry=RetryPolicy())
    core.connected(ModelServer(False).connect())
    buffer = np.ones((1, FEATURES), np.float32)
    core.put(buffer)
    buffer[:] = 7
    (sent,) = core.outgoing()
    assert sent == (b"\0" * 8 + b"\0\0\x80?" * 2 if encoding == "f32" else '{"t": 0, "x": [[1.0, 1.0]]}')
