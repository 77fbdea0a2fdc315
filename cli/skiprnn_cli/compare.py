"""`skiprnn compare`: does a learned gate pay here? Trains every kind of gate at several update rates, and says."""

import logging
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skiprnn_cli.console import INTERRUPTED, fail, warn
from skiprnn_cli.option_names import as_typed, log_as_typed
from skiprnn_cli.train import TASKS, make_experiment, parse_overrides

if TYPE_CHECKING:
    from skiprnn.compare.plan import Run
    from skiprnn.compare.table import Table
    from skiprnn.compare.verdict import Verdict
    from skiprnn.data.types import Data
    from skiprnn.metrics import Measure
    from skiprnn.training import Experiment

_OWN_DATA = "recordings"


def compare(
    data_or_task: Annotated[
        str,
        typer.Argument(
            metavar="DATA_OR_TASK",
            help=f"Folder or file with your own recordings, or a task: {', '.join(TASKS)}.",
            show_default=False,
        ),
    ],
    update_rates: Annotated[
        str, typer.Option(help="Shares of the samples that update the state, each in (0, 1).")
    ] = "0.02,0.05,0.1,0.25",
    seeds: Annotated[int, typer.Option(help="Trainings of each setting, with the seeds 0, 1, …", min=1)] = 3,
    jobs: Annotated[int, typer.Option(help="Trainings at a time, each on one core.", min=1)] = 2,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the runs and the report.")] = Path(
        "runs/compare"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Folder with the data of a task that needs it.", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the training data of each run; the task's by default.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(help="name=value, as `skiprnn train` takes it, for all runs; may be repeated."),
    ] = None,
) -> None:
    """Compare a learned gate with uniform and random schedules and with updates at every sample.

    Trains all of them equally long, each as a process of its own, and prints a table and a verdict. The same command
    continues a comparison that was interrupted.

    Example: skiprnn compare recordings/ --update-rates 0.05,0.1,0.25
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before torch and numpy are imported: processes fork, and have a core each
    from skiprnn.compare.plan import plan, prepare
    from skiprnn.data.download import DownloadError
    from skiprnn.training.experiment import measure_of

    log_as_typed()
    try:
        base = _base(data_or_task, data, epochs, override or [])
        runs = plan(base, _rates(update_rates), seeds=seeds, out=out)
        loaded = prepare(runs)
        failures = _trained(runs, loaded, jobs=jobs, out=out)
    except (OSError, ValueError, DownloadError) as error:
        fail(as_typed(error))
    _conclude(runs, measure_of(base, loaded), failures, out)


def _base(data_or_task: str, data: Path | None, epochs: int | None, overrides: list[str]) -> "Experiment":
    """A name that is a task's is the task; `./NAME` is then the folder of that name."""
    from skiprnn import tasks
    from skiprnn.compare.plan import SET_BY_PLAN

    name = data_or_task
    if name not in tasks.NAMES:
        if not Path(name).exists():
            raise FileNotFoundError(
                f"expected a folder or file of recordings, or one of {', '.join(tasks.NAMES)}, got {name!r}"
            )
        if data is not None:
            raise ValueError(f"--data: expected a task with it, got recordings in {name!r} too")
        name, data = _OWN_DATA, Path(name)
    task = tasks.find(name)
    given = parse_overrides(overrides, task)
    if wrong := [field for field in SET_BY_PLAN if field in given]:
        raise ValueError(f"--override: expected no {wrong[0]}, which the comparison sets itself")
    return make_experiment(task, data, 0, None, given | ({"epochs": epochs} if epochs else {}), paper=False)


def _rates(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--update-rates: expected numbers with commas between, got {text!r}") from None


def _trained(runs: "Sequence[Run]", data: "Data", *, jobs: int, out: Path) -> "Mapping[Run, str]":
    from skiprnn.compare.runner import train_all
    from skiprnn_cli.compare_progress import progress_of

    logging.getLogger("skiprnn").setLevel(logging.WARNING)  # what is taken of the data was said once
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with progress_of(runs) as progress:
            return train_all(runs, data, jobs=jobs, out=out, display=progress)
    except KeyboardInterrupt:
        finished = sum(run.results() is not None for run in runs)
        fail(
            f"interrupted; {finished} of {len(runs)} runs are finished; the same command goes on",
            code=INTERRUPTED,
        )


def _conclude(runs: "Sequence[Run]", metric: "Measure", failures: "Mapping[Run, str]", out: Path) -> None:
    """Print and write what there is; exit code 1 where a run failed."""
    from skiprnn.compare.report import write_report
    from skiprnn.compare.table import tabulate
    from skiprnn.compare.verdict import judge

    table = tabulate(runs, metric)
    if table.rows:
        verdict = judge(table)
        files = write_report(out, runs, table, verdict, failures)
        _print(table, verdict)
        typer.echo("written: " + ", ".join(map(str, files)))
        if verdict is not None:
            _print_next(runs, verdict)
    for run, reason in failures.items():
        warn(f"{run} failed: {as_typed(reason)} ({out / 'logs' / run.folder.name}.txt)")
    if failures:
        fail(f"{len(failures)} of {len(runs)} runs failed; the same command tries them again", code=1)


def _print(table: "Table", verdict: "Verdict | None") -> None:
    from rich.console import Console
    from rich.table import Table as Drawn

    head, *lines = table.cells()
    drawn = Drawn(*head)
    for line in lines:
        drawn.add_row(*line)
    Console().print(drawn)
    typer.echo(table.measured_on)
    for sentence in () if verdict is None else verdict.lines:
        typer.echo(sentence)


def _print_next(runs: "Sequence[Run]", verdict: "Verdict") -> None:
    """The first seed's network: the best one's figures would flatter, for they were chosen on the held-out data."""
    run = next(run for run in runs if run.setting == verdict.take and run.results())
    name = f"{run.experiment.task.name}-{run.setting.folder}"
    typer.echo(f"next: {shlex.join(['skiprnn', 'export', str(run.folder), '--out', f'models/{name}.onnx'])}")
    typer.echo("      skiprnn serve --models-dir models/")
