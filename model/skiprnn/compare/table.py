"""The results of a comparison: a row a setting, mean and spread over the seeds."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from skiprnn.compare.outcome import Outcome, outcome_of
from skiprnn.compare.plan import Run, Setting
from skiprnn.metric_label import metric_label
from skiprnn.metrics import Measure


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """What a setting gave.

    Attributes:
        values: seed → the metric on held-out data.
        rates: seed → the update rate that was reached there, in (0, 1].
        others: name → seed → a further figure, of a task of events.
    """

    setting: Setting
    values: Mapping[int, float]
    rates: Mapping[int, float]
    others: Mapping[str, Mapping[int, float]] = dataclasses.field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Of the metric, over the seeds."""
        return statistics.fmean(self.values.values())

    @property
    def spread(self) -> float | None:
        """Standard deviation of the metric over the seeds; None of one seed."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None

    @property
    def reached(self) -> float:
        """Update rate, mean over the seeds."""
        return statistics.fmean(self.rates.values())


@dataclasses.dataclass(frozen=True)
class Table:
    """All rows, by kind and rate, and how the metric is read.

    Attributes:
        is_whole: the figures are those of whole held-out recordings.
    """

    metric: Measure
    rows: tuple[Row, ...]
    is_whole: bool = False

    def of(self, kind: str) -> list[Row]:
        """The rows of a kind, by the rate that was asked for."""
        return [row for row in self.rows if row.setting.kind == kind]

    def shown(self, value: float, *, sign: bool = False) -> str:
        """A value of the metric, or a difference of two, as text: shares in percent, others as they are."""
        if self.metric.is_share:
            return f"{100 * value:{'+' if sign else ''}.1f}"
        return f"{value:{'+' if sign else ''}.3g}"

    @property
    def unit(self) -> str:
        """Of `shown` differences, with a blank before it; empty: the metric's own."""
        return " points" if self.metric.is_share else ""

    def markdown(self) -> str:
        """A table in Markdown, and what its figures are of."""
        head = self.cells()[0]
        lines = [head, ["---"] * len(head), *self.cells()[1:]]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{self.measured_on}\n"

    @property
    def measured_on(self) -> str:
        """A sentence for people."""
        what = "whole held-out recordings" if self.is_whole else "held-out sequences"
        return f"All figures are those on {what}."

    def cells(self) -> list[list[str]]:
        """The head and a line a row, as text."""
        label = metric_label(self.metric.name) + (", %" if self.metric.is_share else "")
        others = [metric_label(name) for name in self._others()]
        head = ["gate", "asked rate, %", "reached rate, %", label, *others, "seeds"]
        return [head, *(self._line(row) for row in self.rows)]

    def _line(self, row: Row) -> list[str]:
        spread = "" if row.spread is None else f" ± {self.shown(row.spread)}"
        asked, reached = f"{100 * row.setting.rate:g}", f"{100 * row.reached:.1f}"
        others = [_with_spread(list(row.others[name].values())) for name in self._others()]
        return [
            row.setting.kind,
            asked,
            reached,
            self.shown(row.mean) + spread,
            *others,
            str(len(row.values)),
        ]

    def _others(self) -> list[str]:
        """Names of the further figures, which all rows have."""
        return list(self.rows[0].others) if self.rows else []


def _with_spread(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3g}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3g}{spread}"


_ORDER = ("every sample", "learned", "uniform", "random")


def tabulate(runs: Sequence[Run], metric: Measure) -> Table:
    """The finished runs as a table.

    Args:
        metric: what the first number of their results is.
    """
    found: dict[Setting, dict[int, Outcome]] = {}
    for run in runs:
        if results := run.results():
            found.setdefault(run.setting, {})[run.seed] = outcome_of(run, results)
    settings = sorted(found, key=lambda setting: (_ORDER.index(setting.kind), setting.rate))
    rows = tuple(_row(setting, found[setting]) for setting in settings)
    return Table(metric, rows, all(one.is_whole for seeds in found.values() for one in seeds.values()))


def _row(setting: Setting, seeds: Mapping[int, Outcome]) -> Row:
    names = next(iter(seeds.values())).others
    return Row(
        setting,
        {seed: outcome.value for seed, outcome in seeds.items()},
        {seed: outcome.update_rate for seed, outcome in seeds.items()},
        {name: {seed: outcome.others[name] for seed, outcome in seeds.items()} for name in names},
    )
