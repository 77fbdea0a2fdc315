"""`skiprnn train`: a task → a folder with a trained network, ready for `skiprnn export`."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skiprnn_cli.console import fail, print_facts

if TYPE_CHECKING:
    from skiprnn.recipe import Recipe
    from skiprnn.training import Plan

_NETWORK, _OBJECTIVE = "Network and optimiser", "Which samples to read"


def train(
    task: Annotated[
        str,
        typer.Argument(help="adding, csv, watch, … (docs/how-to/train.md lists them).", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write the run into.", show_default=False)
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder with your own copy of the data, for tasks that need one.")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Start from the paper's settings, not from ours.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of weights, data and dropout.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    warm_start: Annotated[
        Path | None, typer.Option(help="Run whose weights to begin with, for instance one with a smaller λ.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Share of the samples to read, in (0, 1]; found within 3 points.", rich_help_panel=_OBJECTIVE
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--lambda", help="λ, the paper's price of an update.", rich_help_panel=_OBJECTIVE),
    ] = None,
    ramp: Annotated[
        float | None,
        typer.Option(
            help="Share of the training over which the objective tightens.", rich_help_panel=_OBJECTIVE
        ),
    ] = None,
    max_skip: Annotated[
        int | None, typer.Option(help="Longest run of skipped samples.", rich_help_panel=_OBJECTIVE)
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="At which the gate opens, in [0.5, 1].", rich_help_panel=_OBJECTIVE)
    ] = None,
    cadence: Annotated[
        str | None,
        typer.Option(help="A baseline: read at --rate, 'uniform' or 'random'.", rich_help_panel=_OBJECTIVE),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training data.", rich_help_panel=_NETWORK)
    ] = None,
    cell: Annotated[str | None, typer.Option(help="lstm or gru.", rich_help_panel=_NETWORK)] = None,
    hidden: Annotated[int | None, typer.Option(help="Units of a layer.", rich_help_panel=_NETWORK)] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of Adam.", rich_help_panel=_NETWORK)] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Stop after this many epochs without progress.", rich_help_panel=_NETWORK),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="name=value: any field of the recipe, or an option of the task."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option(help="File to add the run's figures to, one line of JSON a run.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Train a network that learns which samples to read.

    Example: skiprnn train watch --out runs/watch --rate 0.25
    """
    from skiprnn.data.download import DownloadError
    from skiprnn.training import TrainingInterruptedError, fit

    logging.basicConfig(format="%(message)s")
    logging.getLogger("skiprnn").setLevel(logging.INFO)
    flags = {"max_skip": max_skip, "threshold": threshold, "cell": cell, "hidden_size": hidden, "ramp": ramp}
    flags |= {"learning_rate": lr, "epochs": epochs, "patience": patience}
    try:
        given = {name: value for name, value in flags.items() if value is not None} | _parsed(settings or [])
        plan = _plan(task, data, seed, warm_start, given | _objective(rate, budget, cadence), paper=paper)
        figures = fit(plan, out, resume=resume, progress_bar=not quiet)
    except (OSError, ValueError, DownloadError) as error:
        fail(error)
    except TrainingInterruptedError as error:
        fail(error, code=1)
    if journal is not None:
        _append(journal, figures)
    _report(out, figures)


def _objective(rate: float | None, budget: float | None, cadence: str | None) -> dict[str, Any]:
    """A rate takes the place of the task's λ, and the other way round."""
    if rate is not None and budget is not None:
        raise ValueError("--rate and --lambda: expected one of them")
    if rate is not None:
        return {"rate": rate, "budget": 0.0, "cadence": cadence}
    if cadence is not None:
        raise ValueError("--cadence: expected a --rate with it")
    return {} if budget is None else {"budget": budget, "rate": None}


def _plan(
    task: str, data: Path | None, seed: int, warm_start: Path | None, given: dict[str, Any], *, paper: bool
) -> "Plan":
    """What is neither of the task's options nor a field of the recipe is refused."""
    from skiprnn import tasks
    from skiprnn.training import Plan

    found = tasks.find(task)
    options = {name: value for name, value in given.items() if name in found.options}
    base: Recipe = found.paper if paper else found.recipe
    recipe = base.changed({name: value for name, value in given.items() if name not in options})
    return Plan(found, recipe, seed, data, options, warm_start)


def _parsed(settings: list[str]) -> dict[str, Any]:
    """name=value; a value is JSON where it can be read as JSON, else text."""
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set: expected name=value, got {setting!r}")
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed


def _append(journal: Path, figures: dict[str, Any]) -> None:
    """A run that was finished before, and resumed, is not added again."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(figures, ensure_ascii=False) + "\n"
    with journal.open("a+", encoding="utf-8") as file:
        file.seek(0)
        if line not in file:
            file.write(line)


def _report(out: Path, figures: dict[str, Any]) -> None:
    metric = figures["metric"]
    facts = {
        metric.replace("_", " "): f"{figures[metric]:.4g}",
        "samples read": f"{figures['update_rate']:.1%} ({figures['updates']:.1f} of {figures['samples']:.0f})",
        "epochs": str(figures["epochs"]),
        "seconds": f"{figures['seconds']:.0f}",
    }
    if "solved" in figures:
        facts["solved"] = "yes" if figures["solved"] else "no"
    if figures["warning"]:
        facts["warning"] = figures["warning"]
    print_facts(f"{out}: {figures['task']}", facts)
    if figures["cadence"] is None:
        typer.echo(f"next: skiprnn export {out} --out {figures['task']}.onnx")
