"""The alarm rule: cases written by hand, the fast form against the step-by-step definition, and its laws."""

import itertools
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skiprnn.events import NEVER, Alarm, EventDetector, EventRule

CLASSES = ("five", "none", "nine")
NONE = 1


def detector(refractory: int = 10, threshold: float = 0.5) -> EventDetector:
    return EventDetector(EventRule("none", threshold, refractory), CLASSES)


def outputs(detected: Sequence[int]) -> NDArray[np.float32]:
    """Outputs in which these classes are certain."""
    return np.eye(len(CLASSES), dtype=np.float32)[list(detected)]


def step_by_step(
    rule: EventDetector, t: Sequence[int], y: NDArray[np.float32]
) -> tuple[list[Alarm], NDArray[np.int64]]:
    state, alarms = rule.start(), []
    for n, (at, label) in enumerate(zip(t, rule.detected(y), strict=True)):
        fires, state = rule.step(state, at, int(label))
        if fires:
            alarms.append(Alarm(int(label), at, n))
    return alarms, state


@pytest.mark.parametrize(
    ("updates", "alarms"),
    [
        ([], []),
        ([(0, 1), (5, 1)], []),
        ([(0, 0)], [(0, 0)]),  # the first sample may be an event
        ([(0, 1), (7, 2), (9, 2), (60, 2)], [(2, 7)]),  # a held output, also over a long skip
        ([(0, 0), (1, 1), (10, 0)], [(0, 0)]),  # nine samples without it are too few,
        ([(0, 0), (1, 1), (11, 0)], [(0, 0), (0, 11)]),  # ten are enough,
        ([(0, 0), (4, 1), (13, 0)], [(0, 0)]),  # counted from the end of the hold
        ([(0, 0), (1, 1), (5, 0), (6, 1), (11, 0), (12, 1), (30, 0)], [(0, 0), (0, 30)]),
        ([(0, 0), (1, 2), (2, 0), (3, 2)], [(0, 0), (2, 1)]),  # two classes in turn: one alarm each
        ([(0, 0), (50, 2), (51, 0), (60, 2)], [(0, 0), (2, 50)]),  # held until 49: no alarm at 51
        ([(0, 0), (20, 2), (60, 0)], [(0, 0), (2, 20), (0, 60)]),
    ],
)
def test_cases_by_hand(updates: list[tuple[int, int]], alarms: list[tuple[int, int]]) -> None:
    rule, t = detector(), [at for at, _ in updates]
    y = outputs([label for _, label in updates])
    assert [(alarm.label, alarm.t) for alarm in step_by_step(rule, t, y)[0]] == alarms
    found, _ = rule.detect(rule.start(), np.array(t, np.int64), y)
    assert [(alarm.label, alarm.t) for alarm in found] == alarms
    assert all(t[alarm.update] == alarm.t for alarm in found)


@pytest.mark.parametrize(
    ("y", "detected"),
    [
        ([0.3, 0.1, 0.6], 2),
        ([0.29, 0.6, 0.11], NONE),
        ([0.3, 0.6, 0.35], 2),  # the background may be likelier, if the threshold is passed
        ([0.35, 0.6, 0.35], 0),  # the first of equal ones
        ([0.3, 0.4, 0.3], 0),  # at the threshold, in float32
        ([0.2, 0.4, np.nan], NONE),
        ([np.nan, 0.1, 0.9], NONE),
        ([0.9, np.nan, 0.2], 0),  # the background's probability is not looked at
    ],
)
def test_the_detected_class_is_the_likeliest_event_from_the_threshold_on(
    y: list[float], detected: int
) -> None:
    assert detector(threshold=0.3).detected(np.array(y, np.float32)) == detected


UPDATES = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 2)), max_size=60)
REFRACTORY = st.integers(1, 12)


def sequence(updates: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    t = np.cumsum([gap for gap, _ in updates], dtype=np.int64) - 1
    return t, outputs([label for _, label in updates])


@given(UPDATES, REFRACTORY, st.lists(st.integers(0, 60), max_size=4))
def test_all_at_once_and_in_parts_is_the_same_as_step_by_step(
    updates: list[tuple[int, int]], refractory: int, cuts: list[int]
) -> None:
    rule, (t, y) = detector(refractory), sequence(updates)
    expected, last = step_by_step(rule, t.tolist(), y)
    state, alarms, bounds = rule.start(), [], [0, *sorted(cut % (len(t) + 1) for cut in cuts), len(t)]
    for start, end in itertools.pairwise(bounds):
        found, state = rule.detect(state, t[start:end], y[start:end])
        alarms += [alarm._replace(update=alarm.update + start) for alarm in found]
    assert alarms == expected
    assert state.tolist() == last.tolist()


@given(UPDATES, REFRACTORY)
def test_an_alarm_is_the_first_sample_of_its_class_after_the_refractory_time(
    updates: list[tuple[int, int]], refractory: int
) -> None:
    """The sentence of the rule, said sample by sample."""
    rule, (t, y) = detector(refractory), sequence(updates)
    samples = [NONE] * (int(t[-1]) + 1 if len(t) else 0)
    for at, label in zip(t, y.argmax(1), strict=True):
        samples[at:] = [int(label)] * (len(samples) - at)
    expected = [
        (label, at)
        for at, label in enumerate(samples)
        if label != NONE and label not in samples[max(0, at - refractory) : at]
    ]
    found, _ = rule.detect(rule.start(), t, y)
    assert [(alarm.label, alarm.t) for alarm in found] == expected


def test_the_state_says_when_each_class_was_last_detected() -> None:
    rule = detector()
    t, y = np.array([0, 4, 9]), outputs([0, NONE, NONE])
    _, state = rule.detect(rule.start(), t, y)
    assert state.tolist() == [3, 9, NEVER]


def test_a_given_state_stays_as_it_was() -> None:
    rule = detector()
    state = rule.start()
    rule.detect(state, np.array([0]), outputs([0]))
    rule.step(state, 0, 0)
    assert (state == NEVER).all()


def test_a_threshold_is_a_float32_value() -> None:
    assert EventRule("none", 0.3, 1).threshold == float(np.float32(0.3))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (("none", 0.0, 1), "events.threshold: expected a probability in (0, 1], got 0.0"),
        (("none", 1.1, 1), "events.threshold: expected a probability in (0, 1], got 1.1"),
        (("none", float("nan"), 1), "events.threshold: expected a probability in (0, 1], got nan"),
        (("none", 0.5, 0), "events.refractory: expected 1 to 2147483647 samples, got 0"),
        (("none", 0.5, 2**31), "events.refractory: expected 1 to 2147483647 samples, got 2147483648"),
    ],
)
def test_a_rule_out_of_range_is_rejected(values: tuple[str, float, int], reason: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        EventRule(*values)
    assert str(caught.value) == reason


@pytest.mark.parametrize("classes", [("fall", "rest"), ("none",), ()])
def test_a_background_that_is_no_class_is_rejected(classes: tuple[str, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"^events\.background: expected one of two classes or more, got 'none'"
    ):
        EventDetector(EventRule("none", 0.5, 1), classes)


def test_it_needs_neither_torch_nor_onnx() -> None:
    code = "import sys, skiprnn.events; print({'torch', 'onnx', 'msgspec'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
