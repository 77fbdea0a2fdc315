"""Events in a stream: which updates give an alarm. One rule for training, scoring and serving.

The classes of an event network are one background ("none") and the events. At an update with outputs y the detected
class is the event class of the largest probability, the first of equal ones, where that probability is at least the
threshold; else it is the background. As every output, it holds until the next update.

**The alarm rule.** An alarm of an event class is given at the first sample at which it is detected after `refractory`
samples or more at which it was not, or for the first time in the sequence. So a held output gives one alarm, and
alarms of one class are more than `refractory` samples apart.

    rule = EventRule(background="none", threshold=0.5, refractory=150)
    detector = EventDetector(rule, ("none", "fall"))
    state = detector.start()
    alarms, state = detector.detect(state, t, y)  # of the next updates of one sequence, as many as there are

The state of a sequence is an int64 array [K]: of every class the last sample at which it was detected, NEVER where it
was not; the largest entry is the class that is detected now, at the last update. A sequence's alarms depend on its
updates alone, however they are batched or resumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LONGEST_REFRACTORY = 2**31 - 1  # samples
NEVER = -(2**62)  # in a state: longer ago than any refractory time

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class EventRule:
    """When outputs are an alarm.

    Attributes:
        background: the class that is no event.
        threshold: probability from which an event is detected, in (0, 1]; rounded to float32, as outputs are.
        refractory: samples without a class before it gives the next alarm, 1 to 2³¹ − 1.

    Raises:
        ValueError: a value out of range; the message names it.
    """

    background: str
    threshold: float
    refractory: int

    def __post_init__(self) -> None:
        rounded = float(np.float32(self.threshold))
        if not 0 < rounded <= 1:
            raise ValueError(f"events.threshold: expected a probability in (0, 1], got {self.threshold!r}")
        if not 1 <= self.refractory <= LONGEST_REFRACTORY:
            raise ValueError(
                f"events.refractory: expected 1 to {LONGEST_REFRACTORY} samples, got {self.refractory!r}"
            )
        object.__setattr__(self, "threshold", rounded)

    def check(self, classes: Sequence[str]) -> None:
        """Raise ValueError where the background is none of the classes, or the only one."""
        if self.background not in classes or len(classes) < 2:
            raise ValueError(
                f"events.background: expected one of two classes or more, got {self.background!r} with {list(classes)}"
            )


class Alarm(NamedTuple):
    """An event that was detected: index of its class, index of the sample, and which of the given updates it was."""

    label: int
    t: int
    update: int


class EventDetector:
    """The rule for a network's classes; holds no sequence's state."""

    def __init__(self, rule: EventRule, classes: Sequence[str]) -> None:
        rule.check(classes)
        self._rule, self._classes = rule, len(classes)
        self._background = classes.index(rule.background)
        self._events = np.array([k for k in range(len(classes)) if k != self._background])

    def start(self) -> Indices:
        """State [K] of a new sequence."""
        return np.full(self._classes, NEVER, np.int64)

    def detected(self, y: NDArray[np.float32]) -> Indices:
        """Outputs [..., K] → index of the detected class, [...]; the background where none is, or an output is NaN."""
        events = y[..., self._events]
        largest = events.argmax(-1)  # of a row with NaN: a NaN, which no threshold admits
        admitted = np.take_along_axis(events, largest[..., None], -1)[..., 0] >= np.float32(
            self._rule.threshold
        )
        found: Indices = np.where(admitted, self._events[largest], self._background)
        return found

    def step(self, state: Indices, t: int, detected: int) -> tuple[bool, Indices]:
        """One update at sample t: whether it gives an alarm, and the new state. The definition of the rule."""
        state = state.copy()
        held = int(state.argmax())
        if state[held] != NEVER:
            state[held] = t - 1  # detected until now
        fires = detected != self._background and t - int(state[detected]) > self._rule.refractory
        state[detected] = t
        return fires, state

    def detect(self, state: Indices, t: Indices, y: NDArray[np.float32]) -> tuple[list[Alarm], Indices]:
        """All updates of one sequence at once, the same as `step` after `step`.

        Args:
            state: [K], after the updates before; of a new sequence: `start()`.
            t: [N], index of each update's sample, ascending.
            y: [N, K], its outputs.

        Returns:
            The alarms in order, and the new state [K].
        """
        if not len(t):
            return [], state
        detected = self.detected(y)
        first = np.flatnonzero(np.diff(detected, prepend=-1))  # of each run of updates with one class
        label, start = detected[first], t[first]
        end = np.append(start[1:] - 1, t[-1])
        before = state.copy()
        if before.max() != NEVER:
            before[before.argmax()] = t[0] - 1
        last = self._last(label, before, end)
        fires = (start - last > self._rule.refractory) & (label != self._background)
        alarms = [Alarm(int(detected[n]), int(t[n]), int(n)) for n in first[fires]]
        before[label] = end  # of equal labels the last one counts
        return alarms, before

    def _last(self, label: Indices, before: Indices, end: Indices) -> Indices:
        """Of each run the last sample of the run of the same class before it, or what the state says of the class."""
        order = np.argsort(np.append(np.arange(self._classes), label), kind="stable")
        last = np.empty(len(order), np.int64)
        last[order[1:]] = np.append(before, end)[order[:-1]]  # each class begins with its entry in the state
        return last[self._classes :]
