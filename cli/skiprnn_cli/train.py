"""`skiprnn train`: a task → a folder with a trained network, ready for `skiprnn export`."""

import dataclasses
import json
import logging
import sys
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skiprnn_cli.console import fail, print_facts
from skiprnn_cli.option_names import as_typed, log_as_typed
from skiprnn_cli.renamed import warn_renamed
from skiprnn_cli.report import head_of, print_report

if TYPE_CHECKING:
    from skiprnn.recipe import Recipe
    from skiprnn.tasks import Task
    from skiprnn.training import Experiment

_LARGE = 1.2  # times as high or as low as it was: the rate after the calibration is another one
RENAMED = {
    "--rate": "--update-rate",
    "--cadence": "--schedule",
    "--journal": "--results-file",
    "--set": "--override",
}

# skiprnn.tasks.NAMES, which the help cannot import: it would load PyTorch.
TASKS = (
    "adding",
    "charades",
    "digits",
    "ecg",
    "falls",
    "fashion",
    "frequency",
    "imdb",
    "mnist",
    "plaid",
    "recordings",
    "ucf101",
    "watch",
    "words",
)

_gate = partial(typer.Option, rich_help_panel="When to update")
_network = partial(typer.Option, rich_help_panel="Network and optimiser")


def train(
    task: Annotated[
        str,
        typer.Argument(
            help=f"{', '.join(TASKS)} (docs/how-to/train.md explains them); or a task of your own: a Python file that "
            "defines TASK, or its name in an installed package (docs/how-to/own-task.md).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write the run into.", show_default=False)
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder with your own data, or one file; some tasks need it.")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Start from the paper's settings, not from the task's default.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of weights, data and dropout.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint of --out.")
    ] = False,
    warm_start: Annotated[
        Path | None, typer.Option(help="Run whose weights to start from, for instance one with a smaller λ.")
    ] = None,
    update_rate: Annotated[
        float | None,
        _gate(
            help="Target share of the samples that update the state, in (0, 1]. The result says what was reached."
        ),
    ] = None,
    lambda_: Annotated[
        float | None, _gate("--lambda", help="λ, the cost of one update in the paper.")
    ] = None,
    ramp: Annotated[
        float | None,
        _gate(help="Share of the training over which λ or the target update rate reaches its value."),
    ] = None,
    max_skip: Annotated[int | None, _gate(help="Longest run of skipped samples, 1 to 16383.")] = None,
    threshold: Annotated[
        float | None, _gate(help="Accumulated probability at which the gate opens, in [0.5, 1].")
    ] = None,
    schedule: Annotated[
        str | None,
        _gate(help="Baseline without a learned gate: 'uniform' or 'random' updates at --update-rate."),
    ] = None,
    epochs: Annotated[int | None, _network(help="Passes over the training data.")] = None,
    cell: Annotated[str | None, _network(help="lstm or gru.")] = None,
    hidden: Annotated[int | None, _network(help="Hidden units of a layer.")] = None,
    lr: Annotated[float | None, _network(help="Learning rate of Adam.")] = None,
    patience: Annotated[
        int | None, _network(help="Stop after this many epochs without a better objective.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(help="name=value: any field of the recipe, or an option of the task; may be repeated."),
    ] = None,
    results_file: Annotated[
        Path | None, typer.Option(help="File to append the run's results to, one line of JSON a run.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Train a network that learns at which samples to update its state.

    Example: skiprnn train watch --out runs/watch --update-rate 0.25
    """
    from skiprnn import tasks
    from skiprnn.data.download import DownloadError
    from skiprnn.training import TrainingDivergedError, TrainingInterruptedError, fit

    log_as_typed()
    show_bar = not quiet and sys.stderr.isatty()  # a log gets a line an epoch instead
    logging.getLogger("skiprnn.training.epochs").setLevel(
        logging.WARNING if quiet or show_bar else logging.INFO
    )
    flags = {"max_skip": max_skip, "threshold": threshold, "cell": cell, "hidden_size": hidden, "ramp": ramp}
    flags |= {"learning_rate": lr, "epochs": epochs, "patience": patience}
    try:
        if task in tasks.RENAMED:
            warn_renamed(f"the task {task}", tasks.RENAMED[task])
        found = tasks.find(tasks.RENAMED.get(task, task))
        given = {name: value for name, value in flags.items() if value is not None}
        given |= parse_overrides(override or [], found) | _objective(update_rate, lambda_, schedule)
        experiment = make_experiment(found, data, seed, warm_start, given, paper=paper)
        results = fit(experiment, out, resume=resume, progress_bar=show_bar)
    except (OSError, ValueError, DownloadError) as error:
        fail(as_typed(error))
    except TrainingDivergedError as error:
        fail(as_typed(f"{out}: {error}"), code=1)
    except TrainingInterruptedError as error:
        fail(error, code=1)
    if results_file is not None:
        _append(results_file, results)
    _report(out, results)


def _objective(update_rate: float | None, lambda_: float | None, schedule: str | None) -> dict[str, Any]:
    """A target rate takes the place of the task's λ, and λ that of its target rate."""
    if update_rate is not None and lambda_ is not None:
        raise ValueError("--update-rate and --lambda: expected one of them, got both")
    if update_rate is not None and 1 < update_rate <= 100:
        raise ValueError(
            f"--update-rate: expected a share in (0, 1], got {update_rate:g}; {update_rate:g} % is "
            f"--update-rate {update_rate / 100:g}"
        )
    if update_rate is not None:
        return {"target_rate": update_rate, "lambda_": 0.0, "schedule": schedule}
    if schedule is not None:
        raise ValueError("--schedule: expected an --update-rate with it, got none")
    return {} if lambda_ is None else {"lambda_": lambda_, "target_rate": None}


def make_experiment(
    task: "Task", data: Path | None, seed: int, warm_start: Path | None, given: dict[str, Any], *, paper: bool
) -> "Experiment":
    """`given` holds options of the task and fields of the recipe."""
    from skiprnn.training import Experiment

    options = {name: value for name, value in given.items() if name in task.options}
    base: Recipe = task.paper if paper else task.recipe
    fields = {name: value for name, value in given.items() if name not in options}
    for name in fields:
        _check_name(name, task)
    recipe = base.changed(fields)
    return Experiment(task, recipe, seed, data, options, warm_start)


def _check_name(name: str, task: "Task") -> None:
    from skiprnn.recipe import RENAMED as RENAMED_FIELDS
    from skiprnn.recipe import Recipe

    fields = {field.name for field in dataclasses.fields(Recipe)}
    if name in fields | RENAMED_FIELDS.keys():
        return
    close = get_close_matches(name, [*task.options, *fields], n=1)
    if close:
        raise ValueError(f"--override: expected a name that is known, got {name!r}; did you mean {close[0]}?")
    raise ValueError(
        f"--override: expected names among the options of {task.name} ({', '.join(task.options) or 'none'}) "
        f"and the fields of the recipe ({', '.join(sorted(fields))}), got {name!r}"
    )


def parse_overrides(overrides: list[str], task: "Task") -> dict[str, Any]:
    """name=value; a value is JSON where it can be read as JSON, else text; an option that is text, such as a column's
    name, is never a number. Old names become new ones.
    """
    from skiprnn.recipe import renamed_fields, with_current_names

    parsed = {}
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise ValueError(f"--override: expected name=value, got {override!r}")
        parsed[name] = _value(value, is_text=isinstance(task.options.get(name), str))
    for old, new in renamed_fields(parsed).items():
        warn_renamed(f"--override {old}", f"--override {new}", wins=new in parsed)
    return with_current_names(parsed)


def _value(text: str, *, is_text: bool) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    return text if is_text and not isinstance(value, str) else value


def _append(results_file: Path, results: dict[str, Any]) -> None:
    """A run that was finished before, and resumed, is not added again."""
    from skiprnn.training.run_folder import with_current_keys

    results_file.parent.mkdir(parents=True, exist_ok=True)
    with results_file.open("a+", encoding="utf-8") as file:
        file.seek(0)
        if results not in [with_current_keys(json.loads(line)) for line in file]:
            file.write(json.dumps(results, ensure_ascii=False) + "\n")


def _stream_rate(results: dict[str, Any]) -> dict[str, str]:
    """Runs of the release before have no rate over whole recordings."""
    rate = results.get("stream_update_rate")
    return {} if rate is None else {"update rate, whole recordings": f"{rate:.1%}"}


def _ratio(one: float, other: float) -> float:
    """How many times as large the larger is; a rate of 0 is the smallest one."""
    small, large = sorted([max(one, 1e-9), max(other, 1e-9)])
    return large / small


def _shift_of_gate(results: dict[str, Any]) -> dict[str, str]:
    """Where the rate jumped after the last epoch: why it did, and what to do."""
    found = results.get("calibration")
    if found is None or _ratio(found["trained_rate"], found["rate"]) < _LARGE:
        return {}
    text = (
        f"the update rate on the training data was {found['trained_rate']:.1%} at the end of the training; the gate's "
        f"bias was shifted by {found['shift']:+.2f}, to {found['rate']:.1%}. The network was trained at another rate "
        "than it runs at: train for more epochs"
    )
    return {"calibration": text}


def _report(out: Path, results: dict[str, Any]) -> None:
    from skiprnn.training.run_folder import RunFolder

    metric = results["metric"]
    facts = {
        head_of(metric): f"{results[metric]:.4g}",
        "update rate": f"{results['update_rate']:.1%} ({results['updates']:.1f} of {results['samples']:.0f} samples)",
        **_stream_rate(results),
        "epochs": str(results["epochs"]),
        "seconds": f"{results['seconds']:.0f}",
    }
    if "solved" in results:
        facts["solved"] = "yes" if results["solved"] else "no"
    facts |= _shift_of_gate(results)
    if results["warning"]:
        facts["warning"] = as_typed(results["warning"])
    print_facts(f"{out}: {results['task']}", facts)
    folder = RunFolder(out)
    if folder.report.is_file():
        print_report(folder.read_report())
    typer.echo(f"next: skiprnn export {out} --out models/{out.resolve().name}.onnx")
    typer.echo("      skiprnn serve --models-dir models/")
