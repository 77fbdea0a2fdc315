"""The alarms of a whole sequence, computed offline: what a server must say of it, however it is batched and resumed."""

from collections.abc import Sequence
from typing import Any

from skiprnn_client import Event, Update
from skiprnn_export import Bundle, EventDetector, EventRule, Unrolled

RULE: dict[str, Any] = {
    "events": EventRule(background="c0", threshold=0.3, refractory=5)
}  # of a random bundle


def offline_events(bundle: Bundle, expected: Unrolled) -> dict[int, Event]:
    """t → the event that the update there gives."""
    info = bundle.info
    if info.events is None:
        return {}
    detector = EventDetector(info.events, info.classes)
    alarms, _ = detector.detect(detector.start(), expected.t, expected.y)
    return {
        alarm.t: Event(info.classes[alarm.label], float(expected.y[alarm.update, alarm.label]))
        for alarm in alarms
    }


def events_of(updates: Sequence[Update]) -> dict[int, Event]:
    """The same of what a client was told."""
    return {update.t: update.event for update in updates if update.event is not None}
