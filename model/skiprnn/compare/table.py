"""The results of a comparison: a row a setting, mean and spread over the seeds."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from skiprnn.compare.plan import Run, Setting
from skiprnn.metrics import Metric


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """What a setting gave.

    Attributes:
        values: seed → the metric on held-out data.
        rates: seed → the update rate that was reached there, in (0, 1].
    """

    setting: Setting
    values: Mapping[int, float]
    rates: Mapping[int, float]

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
    """All rows, by kind and rate, and how the metric is read."""

    metric: str
    higher_is_better: bool
    rows: tuple[Row, ...]

    def of(self, kind: str) -> list[Row]:
        """The rows of a kind, by the rate that was asked for."""
        return [row for row in self.rows if row.setting.kind == kind]

    def shown(self, value: float, *, sign: bool = False) -> str:
        """A value of the metric, or a difference of two, as text: shares in percent, errors as they are."""
        if self.higher_is_better:
            return f"{100 * value:{'+' if sign else ''}.1f}"
        return f"{value:{'+' if sign else ''}.3g}"

    @property
    def unit(self) -> str:
        """Of `shown` differences, with a blank before it; empty: the metric's own."""
        return " points" if self.higher_is_better else ""

    def markdown(self) -> str:
        """A table in Markdown."""
        head = self.cells()[0]
        lines = [head, ["---"] * len(head), *self.cells()[1:]]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"

    def cells(self) -> list[list[str]]:
        """The head and a line a row, as text."""
        percent = ", %" if self.higher_is_better else ""
        head = ["gate", "asked rate, %", "reached rate, %", self.metric.replace("_", " ") + percent, "seeds"]
        return [head, *(self._line(row) for row in self.rows)]

    def _line(self, row: Row) -> list[str]:
        spread = "" if row.spread is None else f" ± {self.shown(row.spread)}"
        asked, reached = f"{100 * row.setting.rate:g}", f"{100 * row.reached:.1f}"
        return [row.setting.kind, asked, reached, self.shown(row.mean) + spread, str(len(row.values))]


_ORDER = ("every sample", "learned", "uniform", "random")


def tabulate(runs: Sequence[Run], metric: Metric) -> Table:
    """The finished runs as a table."""
    found: dict[Setting, dict[int, dict[str, Any]]] = {}
    for run in runs:
        if results := run.results():
            found.setdefault(run.setting, {})[run.seed] = results
    settings = sorted(found, key=lambda setting: (_ORDER.index(setting.kind), setting.rate))
    rows = (
        Row(
            setting,
            {seed: results[metric.name] for seed, results in found[setting].items()},
            {seed: results["update_rate"] for seed, results in found[setting].items()},
        )
        for setting in settings
    )
    return Table(metric.name, metric.higher_is_better, tuple(rows))
