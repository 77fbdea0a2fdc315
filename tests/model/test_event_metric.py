"""Alarms against events: cases counted by hand, a reference that looks at every pair, and laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from skiprnn.data.event_stream import EventStream
from skiprnn.event_metric import EventMetric, EventScore, Updates
from skiprnn.events import Alarm, EventDetector, EventRule

METRIC = EventMetric(before=2, after=5, sample_rate=10.0)
SAMPLES = 200


def stream(*events: tuple[int, int, int]) -> EventStream:
    table = np.array(events, np.int64).reshape(-1, 3)
    return EventStream("ann", np.zeros((SAMPLES, 1), np.float32), *table.T)


def alarms(*given: tuple[int, int]) -> list[Alarm]:
    return [Alarm(label, t, n) for n, (label, t) in enumerate(given)]


@pytest.mark.parametrize(
    ("given_alarms", "events", "detected"),
    [
        ([], [], {}),
        ([(1, 10)], [], {}),
        ([], [(1, 10, 20)], {}),
        ([(1, 7)], [(1, 10, 20)], {}),  # three samples before the start
        ([(1, 8)], [(1, 10, 20)], {0: 0}),
        ([(1, 24)], [(1, 10, 20)], {0: 0}),  # the last sample is 19, and five more
        ([(1, 25)], [(1, 10, 20)], {}),
        ([(2, 12)], [(1, 10, 20)], {}),  # another class
        ([(1, 10), (1, 15)], [(1, 10, 20)], {0: 0}),  # the second is a false alarm
        ([(1, 12), (1, 22)], [(1, 10, 20), (1, 20, 30)], {0: 0, 1: 1}),
        ([(1, 20), (1, 23)], [(1, 10, 30), (1, 15, 20)], {0: 1, 1: 0}),  # first the one that ends first
        ([(2, 12), (1, 12)], [(1, 10, 20), (2, 10, 20)], {0: 1, 1: 0}),
    ],
)
def test_cases_by_hand(
    given_alarms: list[tuple[int, int]], events: list[tuple[int, int, int]], detected: dict[int, int]
) -> None:
    assert METRIC.detected(alarms(*given_alarms), stream(*events)) == detected


EVENTS = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 150), st.integers(1, 30)), max_size=8).map(
    lambda drawn: sorted(((k, start, start + length) for k, start, length in drawn), key=lambda e: e[1])
)
ALARMS = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 199)), max_size=8).map(
    lambda drawn: sorted(drawn, key=lambda alarm: alarm[1])
)


@given(ALARMS, EVENTS)
def test_as_many_events_are_detected_as_any_pairing_allows(
    drawn: list[tuple[int, int]], events: list[tuple[int, int, int]]
) -> None:
    """Greedy by the windows' ends is optimal (Glover, 1967): no other pairing of alarms and events has more pairs."""
    found = METRIC.detected(alarms(*drawn), stream(*events))
    fits = np.array(
        [[k == label and start - 2 <= t <= end - 1 + 5 for label, start, end in events] for k, t in drawn]
    ).reshape(len(drawn), len(events))
    assert all(fits[n, event] for n, event in found.items())
    assert len(set(found.values())) == len(found)
    if fits.size:
        assert len(found) == (maximum_bipartite_matching(csr_array(fits), "column") >= 0).sum()


def updates(*answers: tuple[int, float, int]) -> Updates:
    """Sample, probability of the event, and its class of two."""
    y = np.zeros((len(answers), 3), np.float32)
    for n, (_, probability, label) in enumerate(answers):
        y[n, label] = probability
    return Updates(SAMPLES, np.array([t for t, _, _ in answers], np.int64), y)


def test_a_score_by_hand() -> None:
    """Two streams of 20 s: three events, of which two are detected after 1 and 3 samples, and two false alarms."""
    detector = EventDetector(EventRule("none", 0.5, 10), ("none", "a", "b"))
    ran = [
        updates((0, 0.1, 1), (11, 0.9, 1), (15, 0.2, 1), (60, 0.8, 2), (70, 0.1, 1)),
        updates((0, 0.9, 1), (20, 0.4, 1), (53, 0.5, 2), (60, 0.6, 2), (90, 0.0, 1)),
    ]
    events = [stream((1, 10, 20)), stream((2, 50, 51), (1, 100, 120))]
    score = METRIC.score(detector, ran, events)
    assert score == EventScore(3, 2, 2, 400, 10, (1, 3))
    results = METRIC.results(score)
    assert results == {
        "f1": pytest.approx(2 * 2 / (3 + 4)),
        "sensitivity": pytest.approx(2 / 3),
        "precision": 0.5,
        "events": 3,
        "false_alarms": 2,
        "false_alarms_per_hour": pytest.approx(2 / (40 / 3600)),
        "delay_seconds": pytest.approx(0.2),
        "hours": pytest.approx(40 / 3600),
        "window_seconds": [-0.2, 0.5],
    }


def test_without_a_sample_rate_nothing_is_said_of_hours() -> None:
    results = EventMetric(before=2, after=5).results(EventScore(3, 2, 2, 400, 10, (1, 3)))
    assert results.keys() == {"f1", "sensitivity", "precision", "events", "false_alarms"}


@pytest.mark.parametrize(
    ("score", "figures"),
    [
        (EventScore(0, 0, 0, 1, 1, ()), (1, 1, 1)),
        (EventScore(5, 0, 0, 1, 1, ()), (0, 1, 0)),
        (EventScore(0, 0, 5, 1, 1, ()), (1, 0, 0)),
    ],
)
def test_figures_of_nothing(score: EventScore, figures: tuple[float, float, float]) -> None:
    assert (score.sensitivity, score.precision, score.f1) == figures
    assert METRIC.results(score)["delay_seconds"] is None


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 8))
def test_f1_is_the_harmonic_mean(missed: int, detected: int, false: int) -> None:
    score = EventScore(missed + detected, detected, false, 1, 1, (0,) * detected)
    both = score.sensitivity + score.precision
    if detected:
        assert score.f1 == pytest.approx(2 * score.sensitivity * score.precision / both)


def test_the_threshold_is_the_best_one_and_of_equal_ones_the_largest() -> None:
    rule, classes = EventRule("none", 0.5, 10), ("none", "a", "b")
    ran, events = [updates((0, 0.0, 1), (10, 0.7, 1), (30, 0.0, 1), (60, 0.45, 1))], [stream((1, 10, 20))]
    chosen = METRIC.choose(rule, classes, ran, events)
    assert chosen.threshold == pytest.approx(0.7)
    assert (chosen.background, chosen.refractory) == ("none", 10)
    every = METRIC.choose(rule, classes, ran, [stream((1, 10, 20), (1, 60, 70))])
    assert every.threshold == pytest.approx(0.44)
