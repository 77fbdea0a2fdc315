"""A stretch of a table's rows without a long gap, and how their values become even samples."""

import dataclasses
import functools

import numpy as np

from skiprnn.data.gaps import Missing, Rows, filled
from skiprnn.data.resample import Floats, even_times, is_even, resampled


@dataclasses.dataclass(frozen=True)
class Segment:
    """Rows of a table → T samples: gaps filled, then resampled. Every column goes the same way.

    Attributes:
        rows: [N], indices of the rows, in the order of their times.
        place: [N], index of each row among all samples that there should be: between jumps, samples are missing.
        seconds: [N], when each was measured, from the first; None: the table does not say.
        rate: Hz of the samples; None: unknown. Without `seconds` it is taken on trust.
        missing: how gaps are filled.
    """

    rows: Rows
    place: Rows
    seconds: Floats | None
    rate: float | None
    missing: Missing

    def numbers(self, values: Floats) -> Floats:
        """A column of the table → its samples, [T]; NaN is a gap, and remains where the column has no value at all.

        Args:
            values: of all rows of the table.
        """
        x = np.full(int(self.place[-1]) + 1, np.nan)
        x[self.place] = values[self.rows]
        if len(x) > len(self.rows) or np.isnan(x).any():
            x = filled(x, self.missing)
        if self._all_seconds is None or self.rate is None:
            return x
        return resampled(x, self._all_seconds, self.rate)

    @functools.cached_property
    def held_rows(self) -> Rows:
        """The row of the table that held at each sample: the last that was measured by then, [T]."""
        every = np.arange(int(self.place[-1]) + 1)
        rows = self.rows[np.searchsorted(self.place, every, side="right") - 1]
        if self._all_seconds is None or self.rate is None or is_even(self._all_seconds, self.rate):
            return rows
        at = even_times(self._all_seconds, self.rate) + 1e-3 / self.rate  # clocks are rounded
        return rows[np.searchsorted(self._all_seconds, at, side="right") - 1]

    @functools.cached_property
    def _all_seconds(self) -> Floats | None:
        """Times of the samples with those that were missing."""
        if self.seconds is None:
            return None
        return np.interp(np.arange(int(self.place[-1]) + 1), self.place, self.seconds)
