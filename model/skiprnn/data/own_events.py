"""Events in the user's recordings → streams to train and test on.

column      every run of one label that is not the background is an event, from its first sample to its last
side table  a row is an event: its `start`, perhaps its `end`, perhaps its class (a column named as the label), and
            the recording's name or id where there are several. Times are as in the recordings' own time column;
            without one they count samples, or seconds from the first sample where a sample rate is given
"""

import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from skiprnn.data import summary
from skiprnn.data.event_stream import EventStream
from skiprnn.data.events import EventChunks, EventTargets, event_data
from skiprnn.data.groups import spelling_of
from skiprnn.data.labels_of import KEYS
from skiprnn.data.own_recordings import OwnRecordings
from skiprnn.data.prepare import described
from skiprnn.data.read_table import read_table_file
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.split import Excerpt, Parts
from skiprnn.data.table_file import TableFile
from skiprnn.data.targets import TargetKind, Targets
from skiprnn.data.time_axis import times_of
from skiprnn.data.types import Data, EventStreams, Signal
from skiprnn.event_metric import EventMetric
from skiprnn.events import EventRule

OPTIONS: Mapping[str, Any] = {
    "events": "",
    "background": "none",
    "alarm_before": 0.0,
    "alarm_after": 2.0,
    "delay": 0.2,
    "refractory": 3.0,
    "event_weight": 3.0,
}
"""Options of a task of events, and their defaults (docs/how-to/detect-events.md)."""

_GAIN = 0.1  # standard deviation of its logarithm
_WARM_UP = 0.1  # of a window

_log = logging.getLogger(__name__)

Event = tuple[str, int, int]  # class, first sample, the sample after the last


def events_of_column(
    recordings: Sequence[SampledRecording], column: str, background: str
) -> list[list[Event]]:
    """Of each recording the runs of a column's labels; an empty cell is the background.

    Raises:
        ValueError: no sample is of the background, or no such column.
    """
    texts = [recording.texts(column) for recording in recordings]
    spelling = spelling_of((text for file in texts for text in file if text.strip()), column)
    labels = [[spelling[text] if text.strip() else background for text in file] for file in texts]
    if not any(background in file for file in labels):
        names = sorted(set(spelling.values()))
        raise ValueError(
            f"expected samples of the background {background!r} in {column!r}, got {names[:5]}; "
            "background=NAME says which label is no event"
        )
    return [[run for run in _runs(file) if run[0] != background] for file in labels]


def _runs(labels: Sequence[str]) -> list[Event]:
    codes = np.unique(np.array(labels), return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    ends = np.append(starts[1:], len(labels))
    return [(labels[a], a, b) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def events_of_table(
    recordings: Sequence[SampledRecording],
    path: Path,
    label: str,
    *,
    unit: str = "",
    decimal: str = "",
    others: bool = False,
) -> list[list[Event]]:
    """Of each recording the rows of a side table.

    Args:
        label: column of the events' classes; where the table has none, all are of one class of that name.
        unit, decimal: of its times and numbers, as in `Layout`.
        others: rows may be of other recordings, and are passed over.

    Raises:
        ValueError: a row without a start, of no recording, or outside of it; the message names the row.
    """
    table = read_table_file(path, [label], decimal, rows=1)
    rate = recordings[0].sample_rate
    starts = _times(table, "start", unit, rate)
    ends = starts if table.alike("end") is None else _times(table, "end", unit, rate)
    labels = table.whole_texts(label) if label in table.names else [label] * len(starts)
    events: list[list[Event]] = [[] for _ in recordings]
    outside = 0
    for row, numbers in enumerate(_recordings_of(table, recordings, others=others)):
        if not numbers:
            continue
        number = next((n for n in numbers if _is_within(recordings[n], starts[row])), None)
        if number is None and len(numbers) == 1:
            raise _outside(table, row, recordings[numbers[0]], starts[row])
        if number is None:
            outside += 1  # in a gap at which the recording was cut
            continue
        events[number].append((labels[row].strip(), *_bounds(recordings[number], starts[row], ends[row])))
    if outside:
        _log.info("%s", summary.entry("passed over", f"{summary.counted(outside, 'event')} in gaps"))
    return [sorted(found, key=lambda event: event[1]) for found in events]


def truth_of_table(
    recording: SampledRecording, path: Path, label: str, background: str, *, unit: str = "", decimal: str = ""
) -> list[str]:
    """The class of every sample of one recording, [T], by a side table that may be about others too.

    Args:
        label, unit, decimal: as for `events_of_table`.

    Raises:
        ValueError: as `events_of_table`.
    """
    (events,) = events_of_table([recording], path, label, unit=unit, decimal=decimal, others=True)
    labels = [background] * len(recording.x)
    for name, start, stop in events:
        labels[start:stop] = [name] * (stop - start)
    return labels


def _times(table: TableFile, name: str, unit: str, rate: float | None) -> NDArray[np.float64]:
    """Seconds [N] as the recordings count them, or samples where their rate is unknown."""
    column = name if name in table.names else table.alike(name)
    if column is None:
        raise table.lacks([name])
    return table.finite(column) if rate is None else times_of(table, column, unit)


def _recordings_of(
    table: TableFile, recordings: Sequence[SampledRecording], *, others: bool
) -> list[list[int]]:
    """Of every row the numbers of the recordings that it may be in: parts of one recording share its names.

    None of them, where it may be of another recording and is.
    """
    known: dict[str, list[int]] = {}
    for number, recording in enumerate(recordings):
        for name in _names(recording.source):
            known.setdefault(name, []).append(number)
    cells = {column: [text.strip() for text in table.texts(column)] for column in table.names}
    key = next((column for column, texts in cells.items() if known.keys() & set(texts)), None)
    is_named = others and any(column.lower() in KEYS for column in table.names)
    if key is None and len({recording.source for recording in recordings}) == 1 and not is_named:
        return [list(range(len(recordings)))] * len(table.frame)
    if key is None:
        raise ValueError(
            f"{table.path}: expected a column of the recordings' names, such as {recordings[0].source!r}, found none "
            f"among {table.names}"
        )
    for row, text in enumerate(cells[key]):
        if text not in known and not others:
            raise ValueError(
                f"{table.path}: expected a recording's name in row {table.row(row)} of {key!r}, got {text!r}"
            )
    return [known.get(text, []) for text in cells[key]]


def _names(source: str) -> set[str]:
    """What a side table may call a recording: its id, its path, its file's name, with its ending or without."""
    file, colon, id = source.partition(":")
    if colon:
        return {id, source}
    path = PurePosixPath(file)
    return {file, path.name, str(path.with_suffix("")), path.stem}


def _is_within(recording: SampledRecording, time: float) -> bool:
    return 0 <= (time - recording.start) * (recording.sample_rate or 1.0) + 0.5 < len(recording.x) + 0.5


def _bounds(recording: SampledRecording, start: float, end: float) -> tuple[int, int]:
    """The first sample, and the sample after the last; what lies beyond the end is cut."""
    rate, last = recording.sample_rate or 1.0, len(recording.x) - 1
    first, final = (round((time - recording.start) * rate) for time in (start, end))
    first = min(max(first, 0), last)
    return first, min(max(first, final), last) + 1


def _outside(table: TableFile, row: int, recording: SampledRecording, time: float) -> ValueError:
    rate = recording.sample_rate or 1.0
    unit, end = "s" if recording.sample_rate else "samples", recording.start + len(recording.x) / rate
    return ValueError(
        f"{table.path}: expected a start within {recording.name}, {recording.start:.10g} to {end:.10g} {unit}, in row "
        f"{table.row(row)}, got {time:.10g}"
    )


@dataclasses.dataclass(frozen=True, eq=False)
class OwnEvents:
    """The user's recordings, and the events in each.

    Attributes:
        names: of the classes; the first is the background.
    """

    own: OwnRecordings
    events: Sequence[Sequence[Event]]
    names: tuple[str, ...]

    @classmethod
    def of(cls, own: OwnRecordings, events: Sequence[Sequence[Event]], background: str) -> "OwnEvents":
        """Raises ValueError: there is no event. How many there are is logged."""
        counts = Counter(label for found in events for label, _, _ in found)
        if not counts:
            raise ValueError("expected events in the recordings, found none")
        for number, (label, count) in enumerate(sorted(counts.items())):
            _log.info("%s", summary.entry("" if number else "events", f"{label}: {count:,}"))
        return cls(own, events, (background, *sorted(counts)))

    def targets(self) -> Targets:
        """The class of every sample, by which recordings are divided."""
        y = []
        for recording, found in zip(self.own.recordings, self.events, strict=True):
            classes = np.zeros(len(recording.x), np.int64)
            for label, start, end in found:
                classes[start:end] = self.names.index(label)
            y.append(classes)
        labelled = tuple(np.ones(len(one), np.bool_) for one in y)
        return Targets(TargetKind.CLASS, True, self.names, (), tuple(y), labelled)

    def stream(self, at: Excerpt) -> EventStream:
        """A recording, or a part of it, as a stream; events are cut at its ends."""
        recording = self.own.recordings[at.recording]
        inside = [
            (self.names.index(label), max(start, at.start) - at.start, min(end, at.stop) - at.start)
            for label, start, end in self.events[at.recording]
            if start < at.stop and end > at.start
        ]
        labels, starts, ends = np.array(inside, np.int64).reshape(-1, 3).T
        return EventStream(recording.name, recording.x[at.start : at.stop], labels, starts, ends)


def own_event_data(own: OwnEvents, parts: Parts, options: Mapping[str, Any], size: int) -> Data:
    """Data to train on, with options as in `OPTIONS` and a `window`; times are in seconds, or in samples where the
    sample rate is unknown.

    Args:
        size: windows of a batch.

    Raises:
        ValueError: nothing to choose the alarm threshold by; or an option out of range.
    """
    if not parts.validation:
        raise ValueError(
            "expected two groups of held-out recordings, one to choose the alarm threshold by and one to report, each "
            "with every class of event, got one; hold out more (held_out=0.4), or try split=time"
        )
    rate = own.own.sample_rate
    before, after, delay, refractory = (
        _samples(options, name, rate) for name in ("alarm_before", "alarm_after", "delay", "refractory")
    )
    train, validation, test = ([own.stream(at) for at in part] for part in parts)
    network = {
        "input_size": len(own.own.features),
        "output_size": len(own.names),
        "features": own.own.features,
        "classes": own.names,
        "sample_rate": rate,
        "events": EventRule(own.names[0], 0.5, max(1, refractory)),
    }
    weights = (1.0, *[float(options["event_weight"])] * (len(own.names) - 1))
    data = event_data(
        network,
        train,
        EventStreams(validation, test, EventMetric(before, after, rate)),
        EventTargets(2 * before, delay, 3 * after // 4, 5 * after // 4, weights),
        EventChunks(options["window"], warm_up=int(_WARM_UP * options["window"])),
        size,
        augment=_another_gain,
    )
    return dataclasses.replace(data, parts=described(own.own.recordings, parts))


def _samples(options: Mapping[str, Any], name: str, rate: float | None) -> int:
    if options[name] < 0:
        raise ValueError(f"{name}: expected seconds, 0 or more, got {options[name]!r}")
    return round(float(options[name]) * (rate or 1.0))


def _another_gain(x: Signal, rng: Generator) -> Signal:
    return x * np.float32(np.exp(_GAIN * rng.standard_normal()))
