"""A stream alone: arithmetic on indices, and transitions that are legal or one error."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_service.errors import GapError, StreamStateError
from skiprnn_service.stream import Stream, Update

EVENTS: dict[str, Callable[[Stream], object]] = {
    "begin": lambda stream: stream.begin(None, 1),
    "advance": lambda stream: stream.advance(0, b""),
    "finish": lambda stream: stream.finish(),
    "abort": lambda stream: stream.abort(),
    "reset": lambda stream: stream.reset(),
}
LEGAL = {"idle": {"begin", "reset"}, "due": {"advance", "abort"}, "done": {"finish", "abort"}}


def stream_in(state: str) -> Stream:
    stream = Stream("s")
    if state != "idle":
        stream.begin(None, 1)
    if state == "done":
        stream.advance(0, b"")
    assert stream.state == state
    return stream


def play(stream: Stream, n: int, *, t: int | None = None, skip: Callable[[int], int]) -> list[int]:
    """One whole message; returns the offsets that were read."""
    offsets, offset = [], stream.begin(t, n)
    while offset is not None:
        offsets.append(offset)
        offset = stream.advance(skip(stream.wake), b"y%d" % stream.wake)
    return offsets


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", LEGAL)
def test_takes_an_event_only_where_the_table_says(state: str, event: str) -> None:
    stream = stream_in(state)
    if event in LEGAL[state]:
        EVENTS[event](stream)
    else:
        with pytest.raises(StreamStateError, match=f"{event}.*{state}"):
            EVENTS[event](stream)
        assert stream.state == state


def test_reads_its_first_sample_then_leaves_out_what_the_gate_says() -> None:
    stream = Stream("s")
    assert stream.begin(None, 10) == 0
    assert stream.advance(3, b"a") == 4  # samples 1 to 3 are skipped
    assert stream.advance(100, b"b") is None
    reply = stream.finish()
    assert reply == (9, 105, [Update(0, b"a"), Update(4, b"b")])
    assert (stream.next, stream.wake, stream.samples, stream.updates) == (10, 105, 10, 2)
    assert stream.last_y == b"b"


def test_consumes_a_skipped_message_without_reading() -> None:
    stream = Stream("s", next=10, left=5)
    assert stream.begin(None, 5) is None
    assert stream.finish() == (14, 15, ())
    assert stream.begin(None, 1) == 0


def test_counts_left_out_samples_as_skipped() -> None:
    stream = Stream("s", next=10, left=5)
    assert play(stream, 1, t=15, skip=lambda _: 0) == [0]
    assert stream.finish().t == 15
    assert stream.samples == 6


def test_refuses_a_gap_past_wake_and_says_where_to_go_on() -> None:
    stream = Stream("s", next=10, left=5)
    with pytest.raises(GapError, match=r"at most 15.*got 16.*from 10") as caught:
        stream.begin(16, 4)
    assert (caught.value.next, caught.value.wake) == (10, 15)
    assert (stream.state, stream.next, stream.wake) == ("idle", 10, 15)


def test_ignores_samples_that_were_consumed_already() -> None:
    stream = Stream("s", next=10, left=0, samples=10)
    assert play(stream, 10, t=0, skip=lambda _: 0) == []
    assert stream.finish() == (9, 10, ())
    assert play(stream, 3, t=2, skip=lambda _: 0) == []
    assert stream.finish() == (9, 10, ())
    assert play(stream, 6, t=5, skip=lambda _: 0) == [5]
    assert stream.finish().t == 10
    assert stream.samples == 11


def test_abort_goes_back_to_where_begin_found_it() -> None:
    stream = Stream("s", next=3, left=2, samples=8, updates=4, last_y=b"y")
    stream.begin(4, 10)
    stream.advance(1, b"z")
    stream.abort()
    assert (stream.next, stream.wake, stream.samples, stream.updates) == (3, 5, 8, 4)
    assert stream.last_y == b"y"
    assert play(stream, 3, skip=lambda _: 9) == [2]
    assert stream.finish().updates == [Update(5, b"y5")]


def test_left_is_that_of_the_last_whole_message() -> None:
    stream = Stream("s", next=3, left=2)
    stream.begin(None, 10)
    stream.advance(4, b"")
    assert stream.left == 2
    stream.advance(40, b"")
    stream.finish()
    assert stream.left == stream.wake - stream.next == 38


def test_reset_starts_a_sequence_and_keeps_the_counts() -> None:
    stream = Stream("s")
    play(stream, 4, skip=lambda _: 9)
    stream.finish()
    stream.reset()
    assert (stream.next, stream.wake, stream.samples, stream.updates, stream.last_y) == (0, 0, 4, 1, None)
    play(stream, 2, skip=lambda _: 9)
    stream.finish()
    assert (stream.samples, stream.updates) == (6, 2)


@given(
    skips=st.lists(st.integers(0, 12), min_size=60, max_size=60),
    chunks=st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, 3), st.booleans(), st.booleans()), min_size=1
    ),
)
def test_reads_the_same_samples_however_they_are_sent(
    skips: list[int], chunks: list[tuple[int, int, bool, bool]]
) -> None:
    """Chunks of any length, some sent again from earlier on, some aborted at first, some with samples left out."""

    def skip(t: int) -> int:
        return skips[t % len(skips)]

    stream, read = Stream("s"), []
    for n, again, leave_out, interrupted in chunks:
        t = stream.wake if leave_out else max(0, stream.next - again)
        if interrupted:
            play(stream, n, t=t, skip=skip)
            stream.abort()
        play(stream, n, t=t, skip=skip)
        read += [update.t for update in stream.finish().updates]
        assert stream.next <= stream.wake
    expected, t = [], 0
    while t < stream.next:
        expected.append(t)
        t += 1 + skip(t)
    assert read == expected
    assert (stream.wake, stream.updates) == (t, len(read))
