"""How good the alarms of whole streams are: sensitivity, precision, F1, false alarms an hour, delay.

An alarm detects an event of its class if it lies in the event's window, from `before` samples before the start to
`after` samples after the last sample of the event, both included. An event is detected once, by the first such alarm,
and an alarm detects one event: of several that are not detected yet, the one whose window ends first. Every other
alarm is a false one.

    sensitivity   detected events ÷ events
    precision     detected events ÷ alarms
    F1            2 · detected ÷ (events + alarms)
    delay         from an event's start to its alarm; median over the detected ones
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn.data.event_stream import EventStream
from skiprnn.events import Alarm, EventDetector, EventRule, Indices

THRESHOLDS = tuple(k / 50 for k in range(1, 50))  # of which one is chosen


class Updates(NamedTuple):
    """What a network did over a whole stream.

    Attributes:
        samples: T.
        t: index of the sample of each update, [N].
        y: its outputs, [N, K].
    """

    samples: int
    t: Indices
    y: NDArray[np.float32]


@dataclass(frozen=True)
class EventScore:
    """Counts over whole streams.

    Attributes:
        events, detected, false_alarms: how many.
        samples, updates: of the streams.
        delays: from start to alarm of each detected event, in samples.
    """

    events: int
    detected: int
    false_alarms: int
    samples: int
    updates: int
    delays: tuple[int, ...]

    def __add__(self, other: "EventScore") -> "EventScore":
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return EventScore(*(mine + theirs for mine, theirs in pairs))

    @property
    def sensitivity(self) -> float:
        """1 where there is no event."""
        return self.detected / self.events if self.events else 1.0

    @property
    def precision(self) -> float:
        """1 where there is no alarm."""
        alarms = self.detected + self.false_alarms
        return self.detected / alarms if alarms else 1.0

    @property
    def f1(self) -> float:
        """1 where there is neither an event nor an alarm."""
        total = self.events + self.detected + self.false_alarms
        return 2 * self.detected / total if total else 1.0


@dataclass(frozen=True)
class EventMetric:
    """When an alarm is right.

    Attributes:
        before, after: the window around an event, in samples.
        sample_rate: Hz, for results in seconds and hours; None: they are left out.
    """

    before: int
    after: int
    sample_rate: float | None = None

    @property
    def name(self) -> str:
        """The key of the results' first number."""
        return "f1"

    @property
    def higher_is_better(self) -> bool:
        """Always."""
        return True

    @property
    def is_share(self) -> bool:
        """F1 is in [0, 1]."""
        return True

    def detected(self, alarms: Sequence[Alarm], events: EventStream) -> dict[int, int]:
        """Index of each alarm that is right → index of the event that it detects."""
        first, last = events.starts - self.before, events.ends - 1 + self.after
        open_, found = np.ones(len(events.labels), np.bool_), {}
        for n, alarm in enumerate(alarms):
            fits = open_ & (events.labels == alarm.label) & (first <= alarm.t) & (alarm.t <= last)
            if fits.any():
                found[n] = int(np.flatnonzero(fits)[last[fits].argmin()])
                open_[found[n]] = False
        return found

    def score(
        self,
        detector: EventDetector,
        updates: Iterable[Updates],
        streams: Iterable[EventStream],
        label: int | None = None,
    ) -> EventScore:
        """The alarms of whole streams against their events; of one class, or of all of them."""
        parts = (
            self._score(detector, ran, stream, label) for ran, stream in zip(updates, streams, strict=True)
        )
        return sum(parts, start=EventScore(0, 0, 0, 0, 0, ()))

    def _score(
        self, detector: EventDetector, ran: Updates, stream: EventStream, label: int | None
    ) -> EventScore:
        alarms, _ = detector.detect(detector.start(), ran.t, ran.y)
        alarms = [alarm for alarm in alarms if label in (None, alarm.label)]
        events = len(stream.labels) if label is None else int((stream.labels == label).sum())
        found = self.detected(alarms, stream)
        delays = tuple(alarms[n].t - int(stream.starts[event]) for n, event in found.items())
        return EventScore(events, len(found), len(alarms) - len(found), ran.samples, len(ran.t), delays)

    def choose(
        self,
        rule: EventRule,
        classes: Sequence[str],
        updates: Sequence[Updates],
        streams: Sequence[EventStream],
    ) -> EventRule:
        """The rule with the threshold that gives the best F1 on these streams; of equal ones the largest."""

        def f1(threshold: float) -> float:
            detector = EventDetector(replace(rule, threshold=threshold), classes)
            return self.score(detector, updates, streams).f1

        return replace(rule, threshold=max(THRESHOLDS, key=lambda threshold: (f1(threshold), threshold)))

    def results(self, score: EventScore) -> dict[str, Any]:
        """Numbers for people: those of the score and, where the sample rate is known, hours and seconds."""
        counted: dict[str, Any] = {
            "f1": score.f1,
            "sensitivity": score.sensitivity,
            "precision": score.precision,
            "events": score.events,
            "false_alarms": score.false_alarms,
        }
        if self.sample_rate is None:
            return counted
        hours = score.samples / self.sample_rate / 3600
        return counted | {
            "false_alarms_per_hour": score.false_alarms / hours,
            "delay_seconds": statistics.median(score.delays) / self.sample_rate if score.delays else None,
            "hours": hours,
            "window_seconds": [-self.before / self.sample_rate, self.after / self.sample_rate],
        }
