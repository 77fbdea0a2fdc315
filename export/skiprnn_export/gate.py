"""The gate on the serving side: how many samples an update lets a stream skip. The one definition there.

    first sample: update.  After an update with Δũ the next n samples are skipped, then one updates:
    n = the number of float32 additions a ← a + min(Δũ, 1 − a), from a = Δũ, until a ≥ threshold, at most max_skip

This is the recursion of Campos et al. (ICLR 2018), eq. 2 to 6, as `skiprnn.gate` trains it, with a cap. The
closed form ceil(0.5 / Δũ) − 1 is not equal to it: float32 sums round, and very small probabilities stop adding up.

n never grows with Δũ, because every rounded addition is monotone in both terms. So it is a table: `boundaries`
holds, for every n below max_skip, the smallest float32 Δũ that skips no more than n samples; a look-up is one
binary search. Property tests hold table and recursion equal.
"""

import functools
from bisect import bisect_right

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skiprnn.gate_limits import DEFAULT_MAX_SKIP, check_gate

_ROUNDING = 2.0**-24  # relative error of one float32 addition


def recursion(
    update_prob: ArrayLike, *, threshold: float = 0.5, max_skip: int = DEFAULT_MAX_SKIP
) -> NDArray[np.int64]:
    """n for each Δũ by the additions themselves: the readable reference.

    Args:
        update_prob: Δũ in [0, 1], any shape; taken as float32.
        threshold: in [0.5, 1]; taken as float32.
        max_skip: samples, the cap.

    Raises:
        ValueError: threshold or max_skip out of range.
    """
    check_gate(threshold, max_skip)
    delta_u = np.asarray(update_prob, np.float32)
    a, n = delta_u, np.zeros(delta_u.shape, np.int64)
    for _ in range(max_skip):
        skipped = a < np.float32(threshold)
        if not skipped.any():
            break
        n += skipped
        a = _accumulate(a, delta_u)
    return n


def skips(
    update_prob: ArrayLike, *, threshold: float = 0.5, max_skip: int = DEFAULT_MAX_SKIP
) -> NDArray[np.int64]:
    """n for each Δũ by the table: equal to `recursion`, in one binary search each. Same arguments and errors."""
    return skip_table(threshold, max_skip)(update_prob)


class SkipTable:
    """The recursion as a table, for one threshold and one cap.

    Attributes:
        boundaries: float32 [max_skip], ascending; boundaries[max_skip − 1 − n] is the smallest Δũ that skips
            at most n samples.

    Raises:
        ValueError: threshold or max_skip out of range.
    """

    def __init__(self, threshold: float = 0.5, *, max_skip: int = DEFAULT_MAX_SKIP) -> None:
        check_gate(threshold, max_skip)
        self.threshold, self.max_skip = threshold, max_skip
        self.boundaries = _boundaries(np.float32(threshold), max_skip)
        self.boundaries.flags.writeable = False  # shared by all streams of a model
        self._ascending: list[float] = self.boundaries.tolist()

    def __call__(self, update_prob: ArrayLike) -> NDArray[np.int64]:
        """Δũ float32 of any shape → n, int64 of that shape."""
        delta_u = np.asarray(update_prob, np.float32)
        return np.asarray(self.max_skip - self.boundaries.searchsorted(delta_u, side="right"))

    def one(self, update_prob: float) -> int:
        """n for one Δũ, which must be a float32 value: faster than a call where streams are few."""
        return self.max_skip - bisect_right(self._ascending, update_prob)


@functools.lru_cache(maxsize=64)  # thresholds come from clients: this bounds the memory they can take
def skip_table(threshold: float = 0.5, max_skip: int = DEFAULT_MAX_SKIP) -> SkipTable:
    """The shared table for this threshold and cap, built at the first call. Errors as `SkipTable`."""
    return SkipTable(threshold, max_skip=max_skip)


def _accumulate(a: NDArray[np.float32], delta_u: NDArray[np.float32]) -> NDArray[np.float32]:
    """ũ of the next sample (eq. 5); every operation rounds to float32."""
    added: NDArray[np.float32] = np.minimum(delta_u, np.float32(1) - a)
    return a + added


def _boundaries(threshold: np.float32, max_skip: int) -> NDArray[np.float32]:
    """For n = max_skip − 1, …, 0: the smallest Δũ that reaches the threshold within n additions.

    Positive floats are ordered as their bit patterns are, so the bisection runs on integers, for all n at once.
    """
    below, reaches = _brackets(float(threshold), max_skip)
    while (below + 1 < reaches).any():
        middle = (below + reaches) // 2
        enough = _sums(middle.view(np.float32)) >= threshold
        reaches = np.where(enough, middle, reaches)
        below = np.where(enough, below, middle)
    return reaches.view(np.float32)[::-1].copy()


def _brackets(threshold: float, max_skip: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For n = 0, 1, …: bit patterns of a Δũ that surely stays below, and one that surely reaches, the threshold.

    n additions give (n + 1)·Δũ within a factor of (1 ± 2⁻²⁴)ⁿ (Higham, "Accuracy and Stability of Numerical
    Algorithms", section 4.2); two units in the last place more for rounding the bracket itself.
    """
    n = np.arange(max_skip)
    exact = threshold / (n + 1)
    below = (exact / (1 + _ROUNDING) ** n).astype(np.float32).view(np.int32) - 2
    reaches = (exact / (1 - _ROUNDING) ** n).astype(np.float32).view(np.int32) + 2
    return below, reaches


def _sums(delta_u: NDArray[np.float32]) -> NDArray[np.float32]:
    """Element n accumulated n times, for every n."""
    a = delta_u.copy()
    for n in range(1, len(a)):
        a[n:] = _accumulate(a[n:], delta_u[n:])
    return a
