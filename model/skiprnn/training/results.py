"""Results files of runs → a table: mean ± standard deviation over the seeds of every setting.

    python -m skiprnn.training.results runs/adding.jsonl …

A setting is all of a run but its seed (and its fold, where subjects are held out in turn).
"""

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from skiprnn.metric_label import metric_label
from skiprnn.training.run_folder import with_current_keys

_OPTIONS = {"fold"}  # of these a setting has all values
_EVENTS = ("sensitivity", "precision", "false_alarms_per_hour", "delay_seconds")  # columns of tasks of events


def table(results: Iterable[dict[str, Any]]) -> str:
    """A Markdown table, a row a setting in the order of appearance. Results of earlier releases are taken too."""
    settings: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for entry in map(with_current_keys, results):
        settings[_setting(entry)].append(entry)
    more = [name for name in _EVENTS if any(name in run for runs in settings.values() for run in runs)]
    rows = [_row(setting, runs, more) for setting, runs in settings.items()]
    head = (
        *("task", "cell", "gate", "epochs", "metric", "value", "update rate", "updates", "solved", "runs"),
        *(metric_label(name) for name in more),
    )
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def _setting(entry: dict[str, Any]) -> tuple[str, ...]:
    options = {name: value for name, value in entry["options"].items() if name not in _OPTIONS}
    named = ", ".join(f"{name} {value}" for name, value in options.items())
    task = f"{entry['task']} ({named})" if named else entry["task"]
    return (
        task,
        f"{entry['cell']} {entry['hidden_size']}",
        _gate(entry),
        str(entry["epochs"]),
        entry["metric"],
    )


def _gate(entry: dict[str, Any]) -> str:
    schedule, rate = entry["schedule"], entry["target_rate"]
    if schedule:
        return "every sample" if rate == 1 else f"{schedule} {rate:g}"
    return f"λ = {entry['lambda']:g}" if rate is None else f"target rate {rate:g}"


def _row(setting: Sequence[str], runs: Sequence[dict[str, Any]], more: Sequence[str]) -> tuple[str, ...]:
    metric = setting[-1]
    solved = [entry["solved"] for entry in runs if "solved" in entry]
    return (
        *setting[:-1],
        metric_label(metric),
        _mean([entry[metric] for entry in runs], ".4g" if "error" not in metric else ".2e"),
        _mean([100 * entry["update_rate"] for entry in runs], ".1f") + " %",
        f"{_mean([entry['updates'] for entry in runs], '.1f')} of {statistics.fmean(e['samples'] for e in runs):.0f}",
        f"{sum(solved)} of {len(solved)}" if solved else "",
        str(len(runs)),
        *(_mean([run[name] for run in runs if run.get(name) is not None], ".3g") for name in more),
    )


def _mean(values: Sequence[float], form: str) -> str:
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):{form}}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):{form}}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m skiprnn.training.results", description="Tabulate the results files of runs."
    )
    parser.add_argument("files", type=Path, nargs="+", help="files that `skiprnn train --results-file` wrote")
    try:
        print(table(entry for path in parser.parse_args().files for entry in _read(path)))
    except (OSError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected a file that `skiprnn train --results-file` wrote, found none"
        )
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, a run a line: {error}") from None


if __name__ == "__main__":
    main()
