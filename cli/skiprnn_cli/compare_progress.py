"""How a comparison goes: one display on a terminal, a line a finished run elsewhere; both on stderr."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Self

import typer

from skiprnn_cli.option_names import as_typed

if TYPE_CHECKING:
    from skiprnn.compare.plan import Run


def progress_of(runs: "Sequence[Run]") -> "_Lines":
    """The display that fits stderr; a context manager."""
    return _Bar(runs) if sys.stderr.isatty() else _Lines(runs)


class _Lines(AbstractContextManager["_Lines"]):
    """A line for each run that ends."""

    def __init__(self, runs: "Sequence[Run]") -> None:
        self._runs, self._ended = runs, sum(run.results() is not None for run in runs)

    def __enter__(self) -> Self:
        before = f", {self._ended} of them finished before" if self._ended else ""
        self._say(f"{len(self._runs)} runs of {self._runs[0].epochs} epochs{before}")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def running(self, runs: "Sequence[Run]") -> None:
        pass

    def finished(self, run: "Run", results: dict[str, Any]) -> None:
        from skiprnn.compare.outcome import outcome_of
        from skiprnn.metric_label import metric_label

        outcome = outcome_of(run, results)
        figures = f"{metric_label(outcome.metric)} {outcome.value:.4g}, update rate {outcome.update_rate:.1%}"
        self._end(f"{run}: {figures}, {results['seconds']:.0f} s")
        if results["warning"]:
            self._say(f"warning: {run}: {as_typed(results['warning'])}")

    def failed(self, run: "Run", reason: str) -> None:
        self._end(f"{run} failed: {as_typed(reason)}")

    def _end(self, line: str) -> None:
        self._ended += 1
        self._say(f"[{self._ended}/{len(self._runs)}] {line}")

    def _say(self, line: str) -> None:
        typer.echo(line, err=True)


class _Bar(_Lines):
    """The same lines, and below them a bar of all epochs with the runs that are being trained.

    It draws itself when it is told something: a thread of its own must not be there when processes fork.
    """

    def __init__(self, runs: "Sequence[Run]") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__(runs)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            "epochs",
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
        self._over = sum(run.epochs for run in runs if run.results() is not None)
        total = sum(run.epochs for run in runs)
        self._task = self._progress.add_task("", total=total, completed=self._over)

    def __enter__(self) -> Self:
        super().__enter__()
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def running(self, runs: "Sequence[Run]") -> None:
        done = [run.epochs_done() for run in runs]
        named = ", ".join(f"{run} ({epochs}/{run.epochs})" for run, epochs in zip(runs, done, strict=True))
        self._progress.update(self._task, completed=self._over + sum(done), description=named)
        self._progress.refresh()

    def _end(self, line: str) -> None:
        self._over += self._runs[0].epochs
        super()._end(line)

    def _say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False)
