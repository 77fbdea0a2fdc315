"""A recording as it was measured → even samples: gaps filled or cut at, then resampled."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from skiprnn.channels import Feature
from skiprnn.data.gaps import Missing, Rows, places, whole_parts
from skiprnn.data.layout import Layout
from skiprnn.data.raw_recording import RawRecording
from skiprnn.data.resample import HOLE, Floats, measured_rate
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.segment import Segment
from skiprnn.data.summary import counted
from skiprnn.data.table_file import FILL

_MOST = 100_000_000  # samples of a recording that has fewer rows


@dataclasses.dataclass(frozen=True)
class Sampling:
    """What becomes of every recording.

    Attributes:
        features: the channels.
        rate: Hz; None: unknown.
        layout: what becomes of gaps.
    """

    features: Sequence[Feature]
    rate: float | None
    layout: Layout

    def recordings(self, raw: RawRecording, group: str) -> Iterator[SampledRecording]:
        """The recording; where it is cut at gaps, its parts. None if it has no two whole samples in a row.

        Raises:
            ValueError: a sample is missing, and that is an error; a cell is no number. The message has its row.
        """
        missing = self.layout.missing
        names = raw.table.matched(self.features)
        values = np.stack([raw.table.finite(name, missing) for name in names], axis=1)
        place = places(raw.time.seconds) if raw.time else np.arange(len(values))
        if missing is Missing.ERROR and raw.time and place[-1] >= len(place):
            raise _hole(raw, raw.time.seconds, place)
        longest = 0 if missing is Missing.DROP else self.layout.longest_gap
        parts = whole_parts(~np.isnan(values), place, longest)
        for number, rows in enumerate(parts, 1):
            suffix = f"#{number}" if len(parts) > 1 else ""
            yield self._recording(raw, group, suffix, self._segment(raw, rows, place), values)

    def _segment(self, raw: RawRecording, rows: Rows, place: Rows) -> Segment:
        seconds = raw.time.seconds[rows] - raw.time.seconds[rows[0]] if raw.time else None
        counts = [int(place[rows[-1]] - place[rows[0]]) + 1]
        if seconds is not None and self.rate is not None:
            counts.append(int(float(seconds[-1]) * self.rate) + 1)
        if max(counts) > max(_MOST, 2 * len(rows)):
            raise _too_many(raw, rows, max(counts))
        return Segment(rows, place[rows] - place[rows[0]], seconds, self.rate, self.layout.missing)

    def _recording(
        self, raw: RawRecording, group: str, suffix: str, segment: Segment, values: NDArray[np.float64]
    ) -> SampledRecording:
        first, inserted = int(segment.rows[0]), int(segment.place[-1]) + 1 - len(segment.rows)
        return SampledRecording(
            name=f"{raw.name}{suffix}",
            source=raw.name,
            id=raw.id,
            paths=raw.paths,
            group=group,
            x=np.stack([segment.numbers(column) for column in values.T], axis=1).astype(np.float32),
            sample_rate=self.rate,
            start=raw.time.start + float(raw.time.seconds[first]) if raw.time else first / (self.rate or 1.0),
            dated=raw.time is not None and raw.time.dated,
            values=raw.values,
            filled=inserted + int(np.isnan(values[segment.rows]).any(axis=1).sum()),
            table=raw.table,
            segment=segment,
        )


def _too_many(raw: RawRecording, rows: Rows, count: int) -> ValueError:
    first, last = (raw.table.row(int(row)) for row in (rows[0], rows[-1]))
    return ValueError(
        f"{raw.table.path}: expected {_MOST:,} samples of a recording at most, got {count:,} of its rows {first} to "
        f"{last} with gaps filled and resampled; put their times right, or take a lower sample_rate or longest_gap"
    )


def _hole(raw: RawRecording, seconds: Floats, place: Rows) -> ValueError:
    """An error: no sample was measured for some time."""
    row = int((np.diff(place) > 1).argmax())
    lost = int(place[row + 1] - place[row]) - 1
    return ValueError(
        f"{raw.table.path}: expected {HOLE / measured_rate(seconds):.3g} s at most from one sample to the next, got "
        f"{seconds[row + 1] - seconds[row]:.3g} s between rows {raw.table.row(row)} and {raw.table.row(row + 1)} "
        f"({counted(lost, 'sample')} missing); {FILL}"
    )
