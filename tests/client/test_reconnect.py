"""Which address is tried next, and when."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_client import ClientError, ConnectionFailed, ConnectionRejected, RetryPolicy, StreamClosed
from skiprnn_client.reconnect import Reconnect

NOBODY = ConnectionFailed("nobody there")
FULL = ConnectionRejected(503, "full", retry_after_seconds=4)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def reconnect(*urls: str, clock: Clock | None = None, jitter: float = 1.0, **policy: Any) -> Reconnect:
    """With jitter 1 every wait is the longest that it may be."""
    return Reconnect(
        urls or ["a"],
        RetryPolicy(**policy),
        clock=clock or Clock(),
        uniform=lambda low, high: low + jitter * (high - low),
    )


def test_the_wait_doubles_up_to_its_cap() -> None:
    dial = reconnect(initial_backoff_seconds=0.25, max_backoff_seconds=2)
    dial.opened()
    assert [dial.failed(NOBODY) for _ in range(6)] == [0.25, 0.5, 1, 2, 2, 2]


@given(jitter=st.floats(0, 1), rounds=st.integers(1, 100))
def test_every_wait_lies_between_nothing_and_the_cap(jitter: float, rounds: int) -> None:
    dial = reconnect(jitter=jitter, max_backoff_seconds=7, retry_timeout_seconds=None)
    dial.opened()
    assert all(0 <= dial.failed(NOBODY) <= 7 for _ in range(rounds))


def test_an_answer_makes_the_wait_short_again() -> None:
    dial = reconnect(initial_backoff_seconds=0.25)
    dial.opened()
    assert [dial.lost(StreamClosed(1006)) for _ in range(3)] == [0.25, 0.5, 1]
    dial.answered()
    assert dial.lost(StreamClosed(1006)) == 0.25


def test_a_server_that_takes_every_connection_and_drops_it_is_given_up() -> None:
    clock = Clock()
    dial = reconnect(clock=clock, retry_timeout_seconds=60)

    def come_back_for_ever() -> None:
        while True:
            dial.opened()
            clock.now += dial.lost(StreamClosed(1011))

    with pytest.raises(StreamClosed, match="1011"):
        come_back_for_ever()
    assert 100 < clock.now <= 160


def test_a_connection_that_held_without_anything_to_answer_counts_as_good() -> None:
    clock = Clock()
    dial = reconnect(clock=clock, retry_timeout_seconds=60, initial_backoff_seconds=0.25)
    for _ in range(10):
        dial.opened()
        clock.now += 300
        assert dial.lost(StreamClosed(1006)) == 0.25


def test_every_address_is_tried_before_any_wait() -> None:
    dial = reconnect("a", "b", "c", initial_backoff_seconds=0.25)
    dial.opened()
    assert [(dial.failed(NOBODY), dial.url) for _ in range(4)] == [(0, "b"), (0, "c"), (0.25, "a"), (0, "b")]


def test_a_lost_connection_is_tried_where_it_was_first() -> None:
    dial = reconnect("a", "b")
    dial.opened()
    dial.lost(StreamClosed(1006))
    assert dial.url == "a"


@pytest.mark.parametrize("code", [1001, 1012])
def test_a_server_that_stops_is_left_for_another(code: int) -> None:
    dial = reconnect("a", "b")
    dial.opened()
    dial.lost(StreamClosed(code))
    assert dial.url == "b"


def test_nobody_anywhere_at_the_first_try_is_a_wrong_address() -> None:
    dial = reconnect("a", "b")
    assert dial.failed(NOBODY) == 0
    with pytest.raises(ConnectionFailed):
        dial.failed(NOBODY)


def test_a_full_server_is_tried_again_when_it_says() -> None:
    dial = reconnect(jitter=0)
    assert dial.failed(FULL) == 4


def test_patience_ends() -> None:
    clock = Clock()
    dial = reconnect(clock=clock, retry_timeout_seconds=10)

    def ask_for_ever() -> None:
        while True:
            clock.now += dial.failed(FULL)

    with pytest.raises(ConnectionRejected, match="full"):
        ask_for_ever()
    assert clock.now <= 110


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_what_will_not_get_better_is_raised_at_once(status: int) -> None:
    dial = reconnect("a", "b")
    dial.opened()
    with pytest.raises(ConnectionRejected):
        dial.failed(ConnectionRejected(status, "no"))


@pytest.mark.parametrize("error", [NOBODY, FULL])
def test_without_resume_each_address_is_tried_once(error: ClientError) -> None:
    dial = Reconnect(["a", "b"], None)
    assert dial.failed(error) == 0
    with pytest.raises(type(error)):
        dial.failed(error)


def test_no_address_is_rejected() -> None:
    with pytest.raises(ValueError, match="url: expected at least one address"):
        Reconnect([], None)


def test_attempts_are_counted_from_the_last_answer_on() -> None:
    dial = reconnect("a", "b")
    dial.opened()
    dial.lost(StreamClosed(1006))
    assert dial.attempts == 1
    dial.failed(NOBODY)  # at once at the other address
    dial.failed(NOBODY)
    assert dial.attempts == 3
    dial.opened()
    assert dial.attempts == 3, "a connection that is open has not answered yet"
    dial.answered()
    assert dial.attempts == 0
