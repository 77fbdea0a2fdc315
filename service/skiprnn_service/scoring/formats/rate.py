"""The sample rate that a time column states, beside that of the network: samples are scored as they stand."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.scoring.formats.gather import Grouped
from skiprnn_service.scoring.formats.times import Times

_MOST_ROWS = 100_000  # that are looked at
_NEAR = 0.1  # rates that differ by less are taken as one
_SHOWN = 3  # rates
_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SINCE_1970 = (6.3e8, 4.1e9)  # seconds, in 1990 and 2100, as in training
_NAMED = re.compile(
    r"(?:^|[\W_])(?:(s|sec|secs|seconds?)|(ms|msec|millis|milliseconds?)|([uµμ]s|usec|micros|microseconds?)|"
    r"(ns|nsec|nanos|nanoseconds?))[\W_]*$",
    re.IGNORECASE,
)


def about_rate(
    name: str, batches: Iterable[tuple[Grouped | None, Sequence[Any]]], sample_rate: float | None
) -> list[str]:
    """What to say of a time column whose rate is not that of the network; of shuffled rows nothing is said.

    Args:
        batches: of some rows each: their sequences, and the column's values. The first 100,000 rows are looked at.
        sample_rate: of the network, Hz; None: unknown, and nothing is said.
    """
    if sample_rate is None:
        return []
    found = [_rate(np.array(times), name, sample_rate) for times in _times(batches).values()]
    rates = Counter(f"{rate:.3g}" for rate in found if rate is not None)
    if all(abs(float(rate) - sample_rate) <= _NEAR * sample_rate for rate in rates):
        return []
    return [
        f"the column {name!r:.100} says {_listed(rates)}, the model takes {sample_rate:.3g} Hz: resample first, "
        "since samples are scored as they stand"
    ]


def _listed(rates: Counter[str]) -> str:
    if len(rates) == 1:
        return f"{next(iter(rates))} Hz"
    said = ", ".join(f"{rate} Hz in {count}" for rate, count in rates.most_common(_SHOWN))
    return f"{said}{', …' if len(rates) > _SHOWN else ''} of {rates.total():,} sequences"


def _times(batches: Iterable[tuple[Grouped | None, Sequence[Any]]]) -> dict[Any, list[int | float]]:
    """The times of each sequence, in the order of their rows."""
    times, found, left = Times(), dict[Any, list[int | float]](), _MOST_ROWS
    for grouped, values in batches:
        ids = [None] * len(values) if grouped is None else [grouped.ids[code] for code in grouped.code]
        for id, some in groupby(zip(ids, times.keys(values[:left]), strict=False), itemgetter(0)):
            found.setdefault(id, []).extend(key for _, key in some if key is not None)
        left -= len(values)
        if left <= 0:
            break
    return found


def _rate(times: NDArray[Any], name: str, sample_rate: float) -> float | None:
    """Hz; None: the times do not tell, as they are too few, are shuffled, or count samples."""
    steps = np.diff(times)
    growing = steps[steps > 0]
    if len(growing) < max(2, 0.9 * len(steps)):
        return None
    step = float(np.median(growing))
    unit = _unit(times, name)
    if unit is not None:
        return 1 / (step * unit)
    if (growing == 1).all():
        return None
    rates = [1 / (step * unit) for unit in _UNITS.values()]
    return min(rates, key=lambda rate: abs(np.log(rate / sample_rate)))


def _unit(times: NDArray[Any], name: str) -> float | None:
    """Seconds of a unit: by the size of dates, by the name, seconds where there are fractions; None: unknown."""
    earliest, latest = _SINCE_1970
    for unit in _UNITS.values():
        if earliest <= float(times.min()) * unit and float(times.max()) * unit <= latest:
            return unit
    if named := _NAMED.search(name[:100].strip()):
        return next(unit for unit, said in zip(_UNITS.values(), named.groups(), strict=True) if said)
    return 1.0 if (times % 1 != 0).any() else None
