"""What waits in a slot."""

from collections import deque

from skiprnn_service.engine.arena import INITIAL
from skiprnn_service.engine.slot import Slot
from skiprnn_service.engine.stream import START, Position


def slot(position: Position = START) -> Slot:
    return Slot(
        "s",
        position,
        row=INITIAL,
        threshold=0.5,
        table=None,
        on_reply=lambda _: None,
        on_error=lambda _: None,
    )


def test_pending_counts_the_message_in_progress_and_what_waits_behind_it() -> None:
    stream = slot()
    assert stream.pending == 0
    stream.payload = b"1234"
    assert stream.pending == 1
    stream.waiting = deque([(None, 1, b"1234", 0), lambda: None])
    assert stream.pending == 3


def test_a_slot_starts_where_its_position_says() -> None:
    position = Position(next=7, skip_remaining=2, samples=9, updates=4, last_y=b"y", sequence=1)
    assert slot(position).position == position
    assert (slot(position).wake, position.wake) == (9, 9)
