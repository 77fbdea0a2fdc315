"""Samples at the times at which they were measured → samples at one even rate.

Samples that are even at that rate already stay as they are, bit for bit. Going down, frequencies that the lower rate
cannot hold are filtered out first (a zero-phase FIR low-pass, flat to 0.8 of the new Nyquist frequency); going up, and
between uneven samples, values are interpolated linearly, so they never leave the range of their neighbours.
"""

import math
import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HOLE = 1.75  # steps of time from one sample to the next: from here on one is missing

_SAME = 0.01  # rates that differ by less are one
_NEAR = 0.1
_UNEVEN = 0.5  # samples: no sample may be further from its even place
_HALF_LENGTH = 16  # of the filter, in samples of the lower rate


def measured_rate(seconds: Floats) -> float:
    """Samples a second, from the times of two samples or more, which grow: holes do not count."""
    steps = np.diff(seconds)
    usual = np.sort(steps)[(len(steps) - 1) // 2]
    return float(1 / steps[(steps > usual / 2) & (steps < 1.5 * usual)].mean())


def common_rate(rates: Sequence[float]) -> float:
    """The lower median of the recordings' rates, as a whole number where it is within 0.5 % of one."""
    rate = statistics.median_low(rates)
    whole = round(rate)
    return float(whole) if whole and abs(rate - whole) <= 0.005 * rate else float(f"{rate:.4g}")


def is_same_rate(rate: float, other: float) -> bool:
    """Whether two clocks may be said to run at one rate: within 1 %."""
    return math.isclose(rate, other, rel_tol=_SAME)


def resampled(x: Floats, seconds: Floats, rate: float) -> Floats:
    """Samples x [N] or [N, F], measured at `seconds` [N], at `even_times(seconds, rate)` [T]; x itself where even.

    Args:
        seconds: growing, without holes, two at least.
        rate: Hz.
    """
    if is_even(seconds, rate):
        return x
    own, at = measured_rate(seconds), even_times(seconds, rate)
    if rate < own and not is_same_rate(rate, own):
        even = even_times(
            seconds, own
        )  # it may end before `seconds` do, and be even at `rate` where they are not
        x, seconds = _low_passed(_interpolated(x, seconds, even), rate / own), even
    return _interpolated(x, seconds, at)


def even_times(seconds: Floats, rate: float) -> Floats:
    """Times [T] of even samples, from the first to the last; those themselves where they are even at this rate."""
    if is_even(seconds, rate):
        return seconds
    count = math.floor((seconds[-1] - seconds[0]) * rate + 1e-6) + 1
    even: Floats = np.minimum(seconds[0] + np.arange(count) / rate, seconds[-1])
    return even


def is_even(seconds: Floats, rate: float) -> bool:
    """Whether samples are at this rate, each nearer to its place than to its neighbours'.

    A clock may be off by 1 %. A few samples do not tell their rate as exactly: their places do.
    """
    if len(seconds) < 2:
        return True
    own = measured_rate(seconds)
    steps = [(seconds[-1] - seconds[0]) / (len(seconds) - 1)] if is_same_rate(own, rate) else []
    steps += [1 / rate] if math.isclose(own, rate, rel_tol=_NEAR) else []
    off = [np.abs(seconds - seconds[0] - step * np.arange(len(seconds))).max() / step for step in steps]
    return any(one <= _UNEVEN for one in off)


def _low_passed(x: Floats, ratio: float) -> Floats:
    """Without frequencies above `ratio` of the Nyquist frequency; the ends are continued by their values."""
    from scipy.ndimage import convolve1d
    from scipy.signal import firwin

    half = math.ceil(_HALF_LENGTH / ratio)
    taps = firwin(2 * half + 1, 0.9 * ratio, window=("kaiser", 5.0))
    filtered: Floats = convolve1d(x, taps / taps.sum(), axis=0, mode="nearest")
    return filtered


def _interpolated(x: Floats, seconds: Floats, at: Floats) -> Floats:
    columns = [np.interp(at, seconds, column) for column in x.reshape(len(x), -1).T]
    return np.stack(columns, axis=-1).reshape(len(at), *x.shape[1:])
