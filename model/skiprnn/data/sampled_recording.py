"""One of the user's recordings after reading: evenly sampled channels, and what its table says beside them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skiprnn.data.gaps import Missing, filled
from skiprnn.data.segment import Segment
from skiprnn.data.table_file import TableFile
from skiprnn.data.types import Signal


@dataclasses.dataclass(frozen=True, eq=False)
class SampledRecording:
    """Samples at one even rate. What is to be learned is decoded from `texts` and `floats`, which have the same rows.

    Attributes:
        name: unique; the path of the file within the data, `walks/7.csv`; in a table of many recordings with the
            recording's id, `all.csv:7`; after a cut at a gap with the number of the part, `walks/7.csv#2`.
        source: the same without the number of the part: parts of one recording share it.
        paths: the file, and the side table if there is one.
        group: whose recording it is; `source` where no group is named. A group is never split.
        x: samples [T, F], the channels in the order of `OwnRecordings.features`.
        sample_rate: Hz; None: unknown, as there is no time column and none was given.
        start: time of the first sample in seconds, on the recording's own time axis: since 1970 (UTC) where `dated`,
            else as the time column counts them (0 without one). The time of sample i is `start + seconds[i]`.
        dated: whether `start` is a date.
        values: what holds for the whole recording, by column: from its folder, its name or the side table.
        filled: how many samples were missing, in a channel at least, and are filled.
        table: all rows of the file that are of the recording.
        segment: which of them the samples were made of.
    """

    name: str
    source: str
    paths: tuple[Path, ...]
    group: str
    x: Signal
    sample_rate: float | None
    start: float
    dated: bool
    values: Mapping[str, str]
    filled: int
    table: TableFile
    segment: Segment

    @property
    def seconds(self) -> NDArray[np.float64]:
        """When each sample is, from the first, [T]; its index where the sample rate is unknown."""
        return np.arange(len(self.x)) / (self.sample_rate or 1.0)

    def has(self, column: str) -> bool:
        """Whether `texts` knows the column."""
        return column in self.values or column in self.table.names

    def texts(self, column: str) -> list[str]:
        """The text that held at each sample, [T]: that of the last row measured by then, or the recording's value.

        An empty cell is "". Raises ValueError: no such column; the message names the file.
        """
        if column in self.values:
            return [self.values[column]] * len(self.x)
        texts = self.table.texts(column)
        return [texts[row] for row in self.segment.held_rows]

    def floats(self, column: str) -> NDArray[np.float64]:
        """A column of numbers, [T], resampled as the channels are; a value of the recording at each sample.

        NaN where the cell that held is empty.

        Raises:
            ValueError: no such column, or a cell holds no finite number; the message names the file and the row.
        """
        if column in self.values:
            return np.full(len(self.x), self.table.number(self.values[column], column))
        values = self.table.finite(column, Missing.HOLD)
        numbers = self.segment.numbers(filled(values, Missing.INTERPOLATE))
        numbers[np.isnan(values[self.segment.held_rows])] = np.nan
        return numbers

    def parsed(self, text: str) -> float | None:
        """The number that a text is, by the decimal mark of the file; None: it is none."""
        return self.table.parsed(text)

    def row(self, index: int) -> int:
        """The row of the file, the first is 1, that held at a sample: for messages."""
        return self.table.row(int(self.segment.held_rows[index]))
