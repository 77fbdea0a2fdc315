"""A stream alone: arithmetic on indices, and transitions that are legal or one error."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_service.engine.stream import RECENT_UPDATES, Position, Reply, Stream, Update
from skiprnn_service.errors import GapError, StreamStateError

EVENTS: dict[str, Callable[[Stream], object]] = {
    "begin": lambda stream: stream.begin(None, 1),
    "advance": lambda stream: stream.advance(0, b""),
    "finish": lambda stream: stream.finish(),
    "abort": lambda stream: stream.abort(),
    "reset": lambda stream: stream.reset(),
    "miss": lambda stream: stream.miss(None, 1),
}
LEGAL = {"idle": {"begin", "reset", "miss"}, "due": {"advance", "abort"}, "done": {"finish", "abort"}}


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
    assert reply == Reply(9, 105, [Update(0, b"a"), Update(4, b"b")])
    assert (stream.next, stream.wake, stream.samples, stream.updates) == (10, 105, 10, 2)
    assert stream.last_y == b"b"


def test_consumes_a_skipped_message_without_reading() -> None:
    stream = Stream("s", Position(next=10, skip_remaining=5))
    assert stream.begin(None, 5) is None
    assert stream.finish() == Reply(14, 15, ())
    assert stream.begin(None, 1) == 0


def test_counts_left_out_samples_as_skipped() -> None:
    stream = Stream("s", Position(next=10, skip_remaining=5))
    assert play(stream, 1, t=15, skip=lambda _: 0) == [0]
    assert stream.finish().t == 15
    assert stream.samples == 6


def test_an_update_waits_for_a_sample_that_was_not_missed() -> None:
    stream = Stream("s", Position(next=10, skip_remaining=5))
    assert stream.miss(None, 3) == Reply(12, 15, ())
    assert stream.miss(13, 2) == Reply(14, 15, ())  # samples that would have been skipped
    assert stream.miss(None, 4) == Reply(18, 19, ())  # the update was due at 15
    assert play(stream, 2, skip=lambda _: 9) == [0]
    assert stream.finish().updates == [Update(19, b"y19")]
    assert (stream.samples, stream.updates) == (11, 1)


def test_missed_samples_may_be_told_twice_and_have_no_gap_before_them() -> None:
    stream = Stream("s", Position(next=10, skip_remaining=0))
    assert stream.miss(10, 2) == stream.miss(10, 2) == stream.miss(11, 1) == Reply(11, 12, ())
    with pytest.raises(GapError, match=r"at most 12.*got 13"):
        stream.miss(13, 1)
    assert (stream.next, stream.wake) == (12, 12)


def test_refuses_a_gap_past_wake_and_says_where_to_go_on() -> None:
    stream = Stream("s", Position(next=10, skip_remaining=5))
    with pytest.raises(GapError, match=r"at most 15.*got 16.*from 10") as caught:
        stream.begin(16, 4)
    assert (caught.value.next, caught.value.wake) == (10, 15)
    assert (stream.state, stream.next, stream.wake) == ("idle", 10, 15)


def test_ignores_samples_that_were_consumed_already() -> None:
    stream = Stream("s", Position(next=10, skip_remaining=0, samples=10))
    assert play(stream, 10, t=0, skip=lambda _: 0) == []
    assert stream.finish() == Reply(9, 10, ())
    assert play(stream, 3, t=2, skip=lambda _: 0) == []
    assert stream.finish() == Reply(9, 10, ())
    assert play(stream, 6, t=5, skip=lambda _: 0) == [5]
    assert stream.finish().t == 10
    assert stream.samples == 11


def test_abort_goes_back_to_where_begin_found_it() -> None:
    stream = Stream("s", Position(next=3, skip_remaining=2, samples=8, updates=4, last_y=b"y"))
    stream.begin(4, 10)
    stream.advance(1, b"z")
    stream.abort()
    assert (stream.next, stream.wake, stream.samples, stream.updates) == (3, 5, 8, 4)
    assert stream.last_y == b"y"
    assert play(stream, 3, skip=lambda _: 9) == [2]
    assert stream.finish().updates == [Update(5, b"y5")]


def test_left_is_that_of_the_last_whole_message() -> None:
    stream = Stream("s", Position(next=3, skip_remaining=2))
    stream.begin(None, 10)
    stream.advance(4, b"")
    assert stream.position.skip_remaining == 2
    stream.advance(40, b"")
    stream.finish()
    assert stream.position.skip_remaining == stream.wake - stream.next == 38


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


# -- what is kept for a client that lost replies


def message(stream: Stream, updates: int) -> list[Update]:
    """A message of so many samples, all read."""
    play(stream, updates, skip=lambda _: 0)
    return list(stream.finish().updates)


def test_keeps_the_updates_of_the_latest_messages() -> None:
    stream, sent = Stream("s"), list[Update]()
    assert (stream.recent, stream.recent_from) == ((), 0)
    for n in (1, 3, RECENT_UPDATES - 4):
        sent += message(stream, n)
        assert (stream.recent, stream.recent_from) == (tuple(sent), 0)
    sent += message(stream, 2)
    assert (stream.recent, stream.recent_from) == (tuple(sent[2:]), 2)


def test_keeps_the_whole_of_a_long_message_until_the_next_with_updates() -> None:
    stream = Stream("s")
    sent = message(stream, 5 * RECENT_UPDATES)
    assert (stream.recent, stream.recent_from) == (tuple(sent), 0)
    stream.wake += 10
    message(stream, 10)  # all skipped
    assert (stream.recent, stream.recent_from) == (tuple(sent), 0)
    sent += message(stream, 1)
    assert stream.recent == tuple(sent[-RECENT_UPDATES:])
    assert stream.recent_from == sent[-RECENT_UPDATES - 1].t + 1


def test_an_aborted_message_leaves_nothing_behind() -> None:
    stream = Stream("s")
    sent = message(stream, 3)
    play(stream, 50, skip=lambda _: 0)
    stream.abort()
    assert (stream.recent, stream.recent_from) == (tuple(sent), 0)


def test_a_new_sequence_has_a_number_and_keeps_nothing_of_the_last() -> None:
    stream = Stream("s", Position(sequence=6))
    message(stream, 3 * RECENT_UPDATES)
    message(stream, 1)
    stream.reset()
    assert (stream.sequence, stream.recent, stream.recent_from) == (7, (), 0)
    sent = message(stream, 2)
    assert (stream.recent, stream.recent_from) == (tuple(sent), 0)


def test_a_reply_stays_what_it_was() -> None:
    stream = Stream("s")
    play(stream, 40, skip=lambda _: 0)
    reply = stream.finish()
    message(stream, 40)
    assert [update.t for update in reply.updates] == list(range(40))


@given(
    messages=st.lists(st.tuples(st.integers(1, 80), st.sampled_from([0, 0, 2, 30])), max_size=12),
    resumed=st.booleans(),
)
def test_what_is_kept_is_all_from_where_it_says(messages: list[tuple[int, int]], resumed: bool) -> None:
    stream, sent, latest = Stream("s"), list[Update](), 0
    for n, skipped in messages:
        play(stream, n, skip=lambda _, skipped=skipped: skipped)  # type: ignore[misc]
        updates = stream.finish().updates
        sent += updates
        latest = len(updates) or latest
        if resumed:
            stream = Stream("s", stream.position)
        assert list(stream.recent) == [update for update in sent if update.t >= stream.recent_from]
        assert len(stream.recent) == min(len(sent), max(RECENT_UPDATES, latest))


@given(
    next=st.integers(0, 20),
    skip_remaining=st.integers(0, 20),
    t=st.none() | st.integers(0, 50),
    n=st.integers(1, 30),
)
def test_skip_is_begin_and_finish_where_nothing_is_read_and_else_nothing(
    next: int, skip_remaining: int, t: int | None, n: int
) -> None:
    skipped, begun = [
        Stream("s", Position(next=next, skip_remaining=skip_remaining, samples=next)) for _ in range(2)
    ]
    try:
        all_skipped = begun.begin(t, n) is None
    except GapError:
        all_skipped = False
    if all_skipped:
        begun.finish()
    elif begun.state != "idle":
        begun.abort()
    assert skipped.skip(t, n) == all_skipped
    assert (skipped.next, skipped.wake, skipped.samples) == (begun.next, begun.wake, begun.samples)
    assert skipped.state == "idle"


@pytest.mark.parametrize("state", ["due", "done"])
def test_nothing_is_skipped_inside_a_message(state: str) -> None:
    stream = stream_in(state)
    stream.wake = 100
    assert not stream.skip(None, 1)
    assert stream.state == state
