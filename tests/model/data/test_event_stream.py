"""A stream and its events fit each other."""

import numpy as np
import pytest

from skiprnn.data.event_stream import EventStream

X = np.zeros((100, 2), np.float32)


def stream(labels: list[int], starts: list[int], ends: list[int]) -> EventStream:
    return EventStream("ann", X, *(np.array(part, np.int64) for part in (labels, starts, ends)))


def test_events_may_touch_the_ends_overlap_or_be_missing() -> None:
    assert len(stream([1, 2], [0, 0], [100, 1]).labels) == 2
    assert len(stream([], [], []).labels) == 0


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (([1], [5, 6], [7, 8]), r"ann: expected a class, a start and an end for each event, got \(1, 2, 2\)"),
        (([1], [-1], [5]), "ann: expected events in order, within 0 to 100 samples"),
        (([1], [5], [101]), "within 0 to 100 samples"),
        (([1], [5], [5]), "each with an end after its start"),
        (([1, 1], [9, 5], [10, 10]), "expected events in order"),
    ],
)
def test_events_that_do_not_fit_are_rejected(
    events: tuple[list[int], list[int], list[int]], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        stream(*events)
