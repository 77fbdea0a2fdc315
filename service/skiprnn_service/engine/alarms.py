"""The alarm rule of a bundle (docs/reference/bundle.md), over the updates of one message. Plain Python: no arrays.

The same rule as `skiprnn_export.EventDetector`, which needs tens of microseconds a call, for the few updates that a
message has. A stream keeps what it must know of the updates before, `Detected`: of every class the last sample at which
it was detected, NEVER where it was not. () before the first update of a sequence.
"""

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple, Self

from skiprnn_export import NEVER, BundleInfo, EventRule

Detected = tuple[int, ...]  # [K]


class Event(NamedTuple):
    """An alarm: the update at sample `t` gave it; `label` is the index of its class."""

    t: int
    label: int


class AlarmRule:
    """The rule of one bundle; holds no stream's state."""

    __slots__ = ("_background", "_outputs", "_refractory", "_threshold", "_unpack")

    def __init__(self, rule: EventRule, classes: Sequence[str]) -> None:
        self._background, self._outputs = classes.index(rule.background), len(classes)
        self._threshold, self._refractory = rule.threshold, rule.refractory
        self._unpack = struct.Struct(f"<{len(classes)}f").unpack

    @classmethod
    def of(cls, info: BundleInfo) -> Self | None:
        """None: the classes of this bundle are no events."""
        return None if info.events is None else cls(info.events, info.classes)

    def __call__(
        self, before: Detected, updates: Sequence[tuple[int, bytes]]
    ) -> tuple[tuple[Event, ...], Detected]:
        """Take the next updates of a sequence, (t, K little-endian float32) each, one at least.

        Returns:
            the alarms that they give, in order, and what is to be known at the next ones.
        """
        last = list(before) or [NEVER] * self._outputs
        held, events = last.index(max(last)), []
        for t, y in updates:
            label = self._label(y)
            if last[held] != NEVER:
                last[held] = t - 1  # detected until now
            if label != self._background and t - last[label] > self._refractory:
                events.append(Event(t, label))
            last[label], held = t, label
        return tuple(events), tuple(last)

    def _label(self, y: bytes) -> int:
        """The detected class: the event of the largest probability, or the background."""
        values = list(self._unpack(y))
        values[self._background] = -math.inf
        largest = max(values)  # NaN, or wrong, where one is NaN
        if not largest >= self._threshold or any(map(math.isnan, values)):
            return self._background
        return values.index(largest)
