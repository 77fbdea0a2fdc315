"""What the numbers of a comparison say, in words, and no more than they say.

The learned gate is compared with a uniform schedule at the update rate that it *reached*: between two uniform schedules
the metric is interpolated, linearly in the logarithm of the rate. The difference is taken seed by seed, since a seed
also decides which data is held out; it counts where its 95 % interval over the seeds (Student's t) leaves out 0.
"""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from skiprnn.compare.plan import Setting
from skiprnn.compare.table import Row, Table

# How much less is taken to be as good, unless the seeds spread more:
_OF_SHARE = 0.01  # a point of accuracy,
_OF_SCORE = 0.01  # a hundredth of another score, such as R²,
_OF_ERROR = 0.1  # or a tenth of an error
_NEAR = 0.005  # relative: two update rates that are taken to be equal
_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much better the learned gate is than a uniform schedule of the same update rate; negative: worse.

    Attributes:
        row: of the learned gate.
        values: seed → difference of the metric, positive where the learned gate is better.
        uniform: the schedule's metric at that rate, mean over the seeds.
        interpolated: it lies between two schedules that were trained.
        below: the learned gate has fewer updates than every schedule: it is compared with the one that has fewest.
    """

    row: Row
    values: Mapping[int, float]
    uniform: float
    interpolated: bool
    below: bool

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values.values())

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the mean lies with 95 % confidence; None of one seed."""
        if len(self.values) < 2:
            return None
        from scipy.stats import t

        n, spread = len(self.values), statistics.stdev(self.values.values())
        reach = float(t.ppf((1 + _LEVEL) / 2, n - 1)) * spread / math.sqrt(n)
        return self.mean - reach, self.mean + reach

    @property
    def is_better(self) -> bool:
        """Beyond the spread of the seeds. One seed alone never shows that."""
        return self.interval is not None and self.interval[0] > 0

    @property
    def is_worse(self) -> bool:
        """Beyond the spread of the seeds."""
        return self.interval is not None and self.interval[1] < 0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Sentences, the differences that they rest on, and the setting to take."""

    lines: tuple[str, ...]
    differences: tuple[Difference, ...]
    take: Setting


def judge(table: Table) -> Verdict | None:
    """The verdict; None where there is neither a uniform schedule nor a network that updates at every sample."""
    if not _fixed(table):
        return None
    differences = tuple(
        found for row in table.of("learned") if (found := _difference(table, row)) is not None
    )
    take, sentence = _choice(table, differences)
    lines = [*(_compared(table, found) for found in differences), *_overall(differences)]
    lines += [*_cost(table, take), sentence, *_caution(table)]
    return Verdict(tuple(lines), differences, take.setting)


def _fixed(table: Table) -> list[Row]:
    """The front of uniform schedules, by reached rate; a network that updates at every sample is its end."""
    return sorted([*table.of("uniform"), *table.of("every sample")], key=lambda row: row.reached)


def _difference(table: Table, row: Row) -> Difference | None:
    better = 1 if table.metric.higher_is_better else -1
    fronts = {seed: _front(table, seed) for seed in row.values}
    found = {
        seed: value
        for seed, front in fronts.items()
        if (value := _interpolated(front, row.rates[seed])) is not None
    }
    if not found:
        return None
    rates = [rate for front in fronts.values() for rate, _ in front]
    return Difference(
        row,
        {seed: better * (row.values[seed] - value) for seed, value in found.items()},
        statistics.fmean(found.values()),
        interpolated=all(abs(rate - row.reached) > _NEAR * row.reached for rate in rates),
        below=row.reached < min(rates) * (1 - _NEAR),
    )


def _front(table: Table, seed: int) -> list[tuple[float, float]]:
    """(update rate, metric) of one seed's uniform schedules, by rate."""
    return sorted((row.rates[seed], row.values[seed]) for row in _fixed(table) if seed in row.values)


def _interpolated(front: Sequence[tuple[float, float]], rate: float) -> float | None:
    """The metric at a rate; below the lowest rate that one's; above the highest none: it would be too low."""
    if not front or rate > front[-1][0] * (1 + _NEAR):
        return None
    rates, values = zip(*front, strict=True)
    return float(np.interp(math.log(rate), np.log(rates), values))


def _compared(table: Table, found: Difference) -> str:
    rate, row = f"{100 * found.row.reached:.1f} %", found.row
    asked = f"asked {100 * row.setting.rate:g} %"
    if found.below:
        against = "the uniform schedule with the fewest updates, which has more"
    elif found.interpolated:
        against = "uniform, interpolated between the schedules beside it"
    else:
        against = "uniform"
    figures = f"{table.shown(row.mean)} against {table.shown(found.uniform)} ({against})"
    return f"Updates at {rate} ({asked}): learned {figures}: {_said(table, found)}."


def _said(table: Table, found: Difference) -> str:
    """The difference; a positive one is in favour of the learned gate, whatever the metric."""
    size = f"{table.shown(abs(found.mean))}{table.unit}"
    if found.interval is None:
        side = "better" if found.mean > 0 else "worse" if found.mean < 0 else "equal"
        return (
            "equal, with one seed"
            if side == "equal"
            else f"learned is {size} {side}, which may be chance (one seed)"
        )
    low, high = (table.shown(end, sign=True) for end in found.interval)
    interval = f"95 % interval {low} to {high}, {len(found.values)} seeds"
    if found.is_better or found.is_worse:
        return f"learned is {size} {'better' if found.is_better else 'worse'} ({interval})"
    return f"no difference beyond the spread of the seeds ({interval})"


def _overall(differences: Sequence[Difference]) -> list[str]:
    if not differences or any(found.interval is None for found in differences):
        return []
    better = [found for found in differences if found.is_better]
    worse = [found for found in differences if found.is_worse]
    total = len(differences)
    if better or worse:
        return [
            f"At equal update rates the learned gate is better than uniform at {len(better)} of {total} rates, worse "
            f"at {len(worse)}."
        ]
    return [
        "At equal update rates the learned gate is not better than uniform, beyond the spread of the seeds."
    ]


def tolerance(table: Table, best: Row) -> float:
    """How much less than the best is taken to be as good."""
    relative = _OF_SCORE if table.metric.higher_is_better else _OF_ERROR
    least = _OF_SHARE if table.metric.is_share else relative * abs(best.mean)
    return max(best.spread or 0.0, least)


def _choice(table: Table, differences: Sequence[Difference]) -> tuple[Row, str]:
    """The fewest updates that cost no more than the tolerance.

    A learned gate is taken only if it beats uniform at an equal rate, beyond the spread of the seeds or, with a
    warning, by more than the tolerance.
    """
    sign = 1 if table.metric.higher_is_better else -1
    fixed = _fixed(table)
    enough = tolerance(table, max(fixed, key=lambda row: sign * row.mean))
    better = {found.row: found for found in differences if found.is_better or found.mean > enough}
    best = max([*fixed, *better], key=lambda row: sign * row.mean)
    good = [row for row in (*fixed, *better) if sign * (best.mean - row.mean) <= enough]
    take = min(good, key=lambda row: row.reached)
    figures = f"{table.shown(take.mean)} with updates at {100 * take.reached:.1f} % of the samples"
    if take is not best:
        figures += f", within {table.shown(enough)}{table.unit} of the best ({best.setting}, {table.shown(best.mean)})"
    return take, f"Take {take.setting}: {figures}; {_why(table, take, better.get(take))}."


def _why(table: Table, take: Row, found: Difference | None) -> str:
    if take.setting.kind == "every sample":
        return "as far as these seeds show, no setting that skips is as good"
    if found is None:
        return "as far as these seeds show, no learned gate is as good with fewer updates"
    if found.is_better:
        return "it is better than uniform at an equal rate"
    size = f"{table.shown(found.mean)}{table.unit}"
    return (
        f"it is {size} better than uniform at an equal rate, but more seeds must show that this is no chance"
    )


def _cost(table: Table, take: Row) -> list[str]:
    """What skipping costs against an update at every sample; where that is taken, what it would cost at least."""
    sign = 1 if table.metric.higher_is_better else -1
    every, skipping = table.of("every sample"), [*table.of("uniform"), *table.of("learned")]
    if not every or not skipping:
        return []
    row = max(skipping, key=lambda one: sign * one.mean) if take is every[0] else take
    lost = [sign * (every[0].values[seed] - row.values[seed]) for seed in row.values.keys() & every[0].values]
    if not lost:
        return []
    spread = f" ± {table.shown(statistics.stdev(lost))}" if len(lost) > 1 else ""
    mean = statistics.fmean(lost)
    return [
        f"Against an update at every sample ({table.shown(every[0].mean)}), {row.setting} "
        f"{'loses' if mean >= 0 else 'gains'} {table.shown(abs(mean))}{spread}{table.unit} and saves "
        f"{100 * (1 - row.reached):.1f} % of the updates."
    ]


def _caution(table: Table) -> list[str]:
    seeds = max(len(row.values) for row in table.rows)
    if seeds == 1:
        return ["With one seed every difference may be chance: give --seeds 3 or more before you rely on it."]
    return []
