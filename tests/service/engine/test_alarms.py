"""The alarm rule in plain Python against the one that training and scoring use, in any division into messages."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skiprnn_export import EventDetector, EventRule
from skiprnn_service.engine.alarms import AlarmRule, Event
from skiprnn_service.engine.stream import Position, Reply, Stream, Update

CLASSES = ("up", "none", "down")
RULE = EventRule("none", 0.5, 10)
UP, NONE, DOWN = (np.eye(3, dtype="<f4")[k].tobytes() for k in range(3))

probability = st.floats(0, 1, width=32) | st.sampled_from([0.5, 0.25, float(np.float32(0.3))])
rows = st.lists(probability | st.just(float("nan")), min_size=3, max_size=3)
sequences = st.lists(st.tuples(st.integers(1, 30), rows), max_size=30)


def arrays(sequence: list[tuple[int, list[float]]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    t = np.cumsum([step for step, _ in sequence], dtype=np.int64) - 1
    return t, np.array([row for _, row in sequence], "<f4").reshape(-1, 3)


@given(sequences, st.integers(1, 40), probability.filter(bool), st.data())
def test_every_division_into_messages_gives_the_alarms_of_the_whole_sequence(
    sequence: list[tuple[int, list[float]]], refractory: int, threshold: float, data: st.DataObject
) -> None:
    rule = EventRule("none", threshold, refractory)
    detector, alarms, (t, y) = EventDetector(rule, CLASSES), AlarmRule(rule, CLASSES), arrays(sequence)
    expected, state = detector.detect(detector.start(), t, y)
    found: list[Event] = []
    detected: tuple[int, ...] = ()
    begin = 0
    while begin < len(t):
        end = data.draw(st.integers(begin + 1, len(t)))
        updates = [(int(at), row.tobytes()) for at, row in zip(t[begin:end], y[begin:end], strict=True)]
        events, detected = alarms(detected, updates)
        found += events
        begin = end
    assert [(event.label, event.t) for event in found] == [(alarm.label, alarm.t) for alarm in expected]
    assert list(detected or detector.start()) == state.tolist()


def stream(**position: Any) -> Stream:
    return Stream("s", Position(**position), alarms=AlarmRule(RULE, CLASSES))


def message(one: Stream, *outputs: bytes) -> Reply:
    """A message in which every sample is an update."""
    one.begin(None, len(outputs))
    for y in outputs:
        one.advance(0, y)
    return one.finish()


def test_a_reply_has_the_alarms_of_its_own_updates() -> None:
    one = stream()
    assert message(one, NONE, UP, UP).events == (Event(1, 0),)
    assert message(one, UP, DOWN).events == (Event(4, 2),)
    assert message(one, *[NONE] * 3).events == ()
    assert one.events == (Event(1, 0), Event(4, 2)), "kept for a client that lost the replies"


def test_a_message_that_fails_leaves_the_rule_as_it_was() -> None:
    one = stream()
    message(one, NONE)
    before = one.position
    one.begin(None, 2)
    one.advance(0, UP)
    one.abort()
    assert one.position == before
    assert message(one, UP).events == (Event(1, 0),)


def test_a_new_sequence_begins_without_a_class() -> None:
    one = stream()
    message(one, UP)
    one.reset()
    assert (one.position.detected, one.events) == ((), ())
    assert message(one, UP).events == (Event(0, 0),)


def test_a_stream_goes_on_from_its_position() -> None:
    one = stream()
    message(one, UP, NONE)
    again = Stream("s", one.position, alarms=AlarmRule(RULE, CLASSES))
    outputs = [NONE] * 8 + [UP] + [NONE] * 10 + [UP]
    assert message(again, *outputs).events == message(one, *outputs).events == (Event(21, 0),)
    assert again.position == one.position


def test_alarms_are_kept_as_long_as_their_updates() -> None:
    one = stream()
    message(one, UP)
    for _ in range(40):
        message(one, NONE)
    assert one.recent_from > 0
    assert one.events == ()


def test_streams_of_a_bundle_without_events_keep_nothing() -> None:
    one = Stream("s")
    one.begin(None, 1)
    one.advance(0, UP)
    assert one.finish() == Reply(0, 1, [Update(0, UP)])
    assert one.position.detected == ()


def test_a_stream_that_an_older_server_saved_begins_without_a_class() -> None:
    """It goes on, and an event that goes on with it gives an alarm."""
    one = stream(next=7, last_y=UP, recent=(Update(6, UP),))
    assert one.events == ()
    assert message(one, NONE, UP).events == (Event(8, 0),)
