"""`skiprnn report`: the report of a training run, as `skiprnn train` prints it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from skiprnn.metric_label import metric_label
from skiprnn_cli.console import fail
from skiprnn_cli.option_names import as_typed

_ROWS = 20  # of a table
_CONFUSED = 12  # classes of a confusion matrix that fits on a screen
_HEADS = {"name": "", "count": "examples", "delay_seconds": "delay [s]"}  # columns that are no metric


def report(
    run: Annotated[Path, typer.Argument(help="Folder that `skiprnn train` wrote.", show_default=False)],
) -> None:
    """Print how good a run's network is: of every class or value, of every group, and at which update rates.

    Example: skiprnn report runs/watch
    """
    from skiprnn.training.run_folder import RunFolder

    try:
        found = RunFolder(run).read_report()
    except (OSError, ValueError) as error:
        fail(error)
    print_report(found)


def print_report(found: Mapping[str, Any]) -> None:
    """Tables of at most 20 rows; report.json has all of them."""
    metric = found["metric"]
    whole = "whole held-out recordings" if {"windows", "alarms"} & found.keys() else "test sequences"
    windows = f" ({_text(found['windows'][metric])} on their windows)" if "windows" in found else ""
    shown = f"{found['kind']}; {head_of(metric)} {_text(found['recordings'][metric])} on "
    typer.echo(f"{shown}{found['recordings']['count']} {whole}{windows}")
    if alarms := found.get("alarms"):
        rest = (f"{head_of(name)} {_text(value)}" for name, value in alarms.items() if name != metric)
        typer.echo(", ".join(rest))
    for name, counts in found.get("parts", {}).items():
        typer.echo(f"{name}: " + ", ".join(_counted(count, what) for what, count in counts.items()))
    _print_rows(found["outputs"])
    if len(confusion := found.get("confusion", ())) in range(1, _CONFUSED + 1):
        _print_confusion([row["name"] for row in found["outputs"]], confusion)
    _print_rows(found.get("groups", ()))
    _print_update_rates(found["update_rate"])
    for note in found.get("notes", ()):
        typer.echo(f"note: {as_typed(note)}")


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    _print_table(
        [head_of(name) for name in rows[0]],
        [[_text(value) for value in row.values()] for row in rows[:_ROWS]],
    )
    if len(rows) > _ROWS:
        typer.echo(f"and {len(rows) - _ROWS} more in report.json")


def _print_confusion(names: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    """Columns are numbered as the rows are: names would not fit beside each other."""
    rows = [
        [f"{k} {name}", *map(str, row)] for k, (name, row) in enumerate(zip(names, counts, strict=True), 1)
    ]
    _print_table(["is ↓  answered →", *map(str, range(1, len(names) + 1))], rows)


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column, name in enumerate(head):
        table.add_column(Text(name), justify="right" if column else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _print_update_rates(found: Mapping[str, Any]) -> None:
    low, first, middle, third, high = (f"{100 * rate:.1f} %" for rate in found["quartiles"])
    typer.echo(
        f"update rate: {100 * found['mean']:.1f} % of all samples; of one recording {low} ({found['lowest']['name']}) "
        f"to {high} ({found['highest']['name']}), quartiles {first}, {middle}, {third}"
    )


def head_of(name: str) -> str:
    """What a column of a report is called: `balanced accuracy` for `balanced_accuracy`."""
    return _HEADS.get(name, metric_label(name))


def _counted(count: int, plural: str) -> str:
    return f"{count:,} {plural.removesuffix('s') if count == 1 else plural}"


def _text(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
