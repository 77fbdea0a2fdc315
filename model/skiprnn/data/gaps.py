"""Where samples of a recording are missing, empty cells and holes in time alike, and what becomes of them.

A gap is filled, or the recording is cut at it: the parts are recordings of their own, of the same group. Samples that
are there stay untouched.
"""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from skiprnn.data.resample import HOLE, Floats

Rows = NDArray[np.int64]

FAR = 2**31  # samples: no gap that long is filled, and their sum fits 64 bits


class Missing(StrEnum):
    """What to do about samples that are missing."""

    ERROR = "error"
    HOLD = "hold"
    INTERPOLATE = "interpolate"
    DROP = "drop"


def places(seconds: Floats) -> Rows:
    """Index [N] of every sample among all that there should be; it jumps over a hole in time, by `FAR` at most.

    Args:
        seconds: [N], growing.
    """
    steps = np.diff(seconds)
    usual = np.sort(steps)[(len(steps) - 1) // 2] if len(steps) else 1.0
    indices = np.where(steps >= HOLE * usual, np.rint(np.minimum(steps / usual, FAR)), 1)
    return np.concatenate([[0], np.cumsum(indices)]).astype(np.int64)


def whole_parts(present: NDArray[np.bool_], place: Rows, longest: int) -> list[Rows]:
    """Indices of the samples of every part, cut where more than `longest` samples of a channel are missing in a row.

    Args:
        present: [N, F], whether a sample has a value of a channel.
        place: [N], as `places` gives it.

    Returns:
        Parts whose first and last sample are whole, in order; without parts of a single sample.
    """
    parts, to_cut = [], [np.arange(len(place))]
    while to_cut:
        indices = to_cut.pop()
        cut = _cut(present[indices], place[indices], longest)
        if len(cut) == 1 and len(cut[0]) == len(indices):
            parts.append(indices)
        else:
            to_cut += [indices[part] for part in cut if len(part) > 1]
    return sorted(parts, key=lambda part: int(part[0]))


def _cut(present: NDArray[np.bool_], place: Rows, longest: int) -> list[Rows]:
    """The parts between the long gaps of all channels; a part may then begin in a short gap of another channel."""
    alive, first = np.ones(len(place), np.bool_), np.zeros(len(place), np.bool_)
    for channel in present.T:
        there = np.flatnonzero(channel)
        if not len(there):
            return []
        alive[: there[0]] = alive[there[-1] + 1 :] = False
        for gap in np.flatnonzero(np.diff(place[there]) - 1 > longest):
            alive[there[gap] + 1 : there[gap + 1]] = False
            first[there[gap + 1]] = True
    indices = np.flatnonzero(alive)
    begins = first[indices] | (np.diff(indices, prepend=-1) > 1)
    parts = np.split(indices, np.flatnonzero(begins[1:]) + 1)
    return [part for part in parts if len(part)]


def filled(values: Floats, missing: Missing) -> Floats:
    """Values [N], those that are NaN interpolated between their neighbours, or held from the one before.

    Before the first value and after the last, the nearest is held. If there is none, all stay NaN.
    """
    there = np.flatnonzero(~np.isnan(values))
    if len(there) in (0, len(values)):
        return values
    every = np.arange(len(values))
    if missing is Missing.HOLD:
        return values[there[np.maximum(np.searchsorted(there, every, side="right") - 1, 0)]]
    between = np.interp(every, there, values[there])
    return np.where(np.isnan(values), between, values)
