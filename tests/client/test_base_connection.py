"""A stream's position as its client knows it."""

import json

import numpy as np
import pytest

from skiprnn_client import Ended, GoAway, ProtocolError, Ready, Reply
from skiprnn_client.base_connection import BaseConnection, expect

READY = Ready(stream_id="s", model="m", version="1", features=3, outputs=1, next=4, wake=6)
ENDED = {"samples": 9, "updates": 2}


@pytest.fixture
def connection() -> BaseConnection:
    return BaseConnection(READY)


def test_samples_that_are_skipped_are_left_out_and_counted(connection: BaseConnection) -> None:
    assert connection.next_needed == 6
    assert [connection.leave_out(1), connection.leave_out(9), connection.leave_out(9)] == [1, 1, 0]
    assert connection.next == 6


def test_a_message_moves_the_position_by_its_samples(connection: BaseConnection) -> None:
    connection._message(np.ones((5, 3)), None)
    assert connection.next == 9
    connection._message(np.ones(3), 6)
    assert connection.next == 7


def test_what_the_server_says_is_noted(connection: BaseConnection) -> None:
    assert connection._decoded('{"t": 6, "wake": 8, "updates": [], "saved": 5}') == Reply(6, 8, (), 5)
    assert (connection.wake, connection.saved) == (8, 5)
    connection._decoded('{"type": "saved", "saved": 7, "sequence": 1}')  # of a sequence to come
    assert connection.saved == 5
    connection._decoded('{"type": "saved", "saved": 7, "sequence": 0}')
    assert connection.saved == 7
    connection._decoded('{"type": "go_away", "time_left_ms": 3}')
    assert connection.go_away == GoAway(3)


@pytest.mark.parametrize("words", [["ended"], ["closed"], ["ended", "closed"]])
def test_the_end_is_one_whether_the_server_says_ended_or_closed_or_both(
    connection: BaseConnection, words: list[str]
) -> None:
    answers = [connection._decoded(json.dumps({"type": word} | ENDED)) for word in words]
    assert answers == [Ended(9, 2), None][: len(words)]


def test_another_kind_of_answer_is_a_protocol_error() -> None:
    assert expect(Ended, Ended(9, 2)) == Ended(9, 2)
    with pytest.raises(ProtocolError, match="expected a reply, got Ended"):
        expect(Reply, Ended(9, 2))
    with pytest.raises(ProtocolError, match="expected 'ended', got Reply"):
        expect(Ended, Reply(0, 1, ()))
