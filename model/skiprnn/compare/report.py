"""The files of a comparison: results.json, results.csv (a line a run), table.md and the front as front.png and .svg."""

import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from skiprnn.compare.outcome import Outcome, outcome_of
from skiprnn.compare.plan import Run
from skiprnn.compare.table import Row, Table
from skiprnn.compare.verdict import Verdict
from skiprnn.metric_label import metric_label
from skiprnn.training.plots import KINDS

_COLUMNS = ("gate", "asked_rate", "seed", "update_rate", "epochs", "seconds", "warning", "folder")


def write_report(
    out: Path, runs: Sequence[Run], table: Table, verdict: Verdict | None, failures: Mapping[Run, str]
) -> list[Path]:
    """Write all files into `out`; return them."""
    task = runs[0].experiment.task.name
    files = [out / name for name in ("results.json", "results.csv", "table.md", "front.png", "front.svg")]
    text = json.dumps(_facts(task, table, verdict, failures), indent=2, ensure_ascii=False)
    files[0].write_text(text + "\n", encoding="utf-8")
    _write_csv(files[1], runs, table)
    lines = "" if verdict is None else "\n" + "".join(f"- {line}\n" for line in verdict.lines)
    files[2].write_text(table.markdown() + lines, encoding="utf-8")
    figure = draw_front(table, task)
    for file in files[3:]:
        figure.savefig(file, dpi=150, bbox_inches="tight")
    return files


def _facts(task: str, table: Table, verdict: Verdict | None, failures: Mapping[Run, str]) -> dict[str, Any]:
    facts = {
        "task": task,
        "metric": table.metric.name,
        "higher_is_better": table.metric.higher_is_better,
        "measured_on": "whole recordings" if table.is_whole else "sequences",
        "rows": [_row(row) for row in table.rows],
        "failed": [{"run": str(run), "reason": reason} for run, reason in failures.items()],
    }
    if verdict is None:
        return facts
    differences = [
        {
            "asked_rate": found.row.setting.rate,
            "reached_rate": found.row.reached,
            "uniform": found.uniform,
            "interpolated": found.interpolated,
            "learned_better_by": found.mean,
            "interval_95": found.interval,
            "seeds": len(found.values),
        }
        for found in verdict.differences
    ]
    take = {"gate": verdict.take.kind, "asked_rate": verdict.take.rate}
    return facts | {"differences": differences, "verdict": list(verdict.lines), "take": take}


def _row(row: Row) -> dict[str, Any]:
    seeds = [{"seed": seed, "value": row.values[seed], "update_rate": row.rates[seed]} for seed in row.values]
    return {
        "gate": row.setting.kind,
        "asked_rate": row.setting.rate,
        "reached_rate": row.reached,
        "mean": row.mean,
        "spread": row.spread,
        **{name: statistics.fmean(values.values()) for name, values in row.others.items()},
        "seeds": seeds,
    }


def _write_csv(path: Path, runs: Sequence[Run], table: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [*_COLUMNS, table.metric.name, *table.rows[0].others]
        writer.writerow(names)
        for run in runs:
            if results := run.results():
                facts = results | _run_facts(run, outcome_of(run, results))
                writer.writerow([facts[name] for name in names])


def _run_facts(run: Run, outcome: Outcome) -> dict[str, Any]:
    setting = {"gate": run.setting.kind, "asked_rate": run.setting.rate, "folder": run.folder.name}
    return setting | {"update_rate": outcome.update_rate, outcome.metric: outcome.value}


def draw_front(table: Table, task: str) -> Figure:
    """The metric against the reached update rate: a line a kind of gate, bars for the spread over the seeds."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    for kind in ("learned", "uniform", "random", "every sample"):
        if rows := sorted(table.of(kind), key=lambda row: row.reached):
            label, marker, colour = KINDS["target rate" if kind == "learned" else kind]
            ax.errorbar(
                [row.reached for row in rows],
                [row.mean for row in rows],
                [row.spread or 0 for row in rows],
                marker=marker,
                color=colour,
                label=label,
                linewidth=1,
                capsize=3,
            )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
    ax.set_xticks(_ticks(table), minor=False)
    ax.set_xticks([], minor=True)
    ax.set(xlabel="update rate", ylabel=metric_label(table.metric.name), title=task)
    ax.grid(alpha=0.3)
    ax.legend()
    return figure


def _ticks(table: Table) -> list[float]:
    """The rates that were asked for: a logarithmic axis would print powers of ten."""
    return sorted({row.setting.rate for row in table.rows})
