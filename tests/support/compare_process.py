"""Runs of a comparison, trained in a fresh process: one that forks must have no threads but its own."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from skiprnn.compare.plan import Run, plan, prepare
from skiprnn.compare.runner import train_all
from support.training import short_experiment


class Said:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.finished_runs, self.failed_runs = list[str](), dict[str, str]()
        self.most_at_a_time = 0

    def running(self, runs: Sequence[Run]) -> None:
        self.most_at_a_time = max(self.most_at_a_time, len(runs))

    def finished(self, run: Run, results: dict[str, Any]) -> None:
        self.finished_runs.append(f"{run}: {results['metric']}")

    def failed(self, run: Run, reason: str) -> None:
        self.failed_runs[str(run)] = reason


def tiny_runs(out: Path) -> list[Run]:
    """Every sample, learned, random and uniform; an epoch each, on generated data."""
    return plan(short_experiment(epochs=1), [0.5], seeds=1, out=out)


def trained(out: Path, count: int, jobs: int) -> Said:
    """The first `count` runs, trained `jobs` at a time."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_train, out, count, jobs).result()


def _train(out: Path, count: int, jobs: int) -> Said:
    runs, said = tiny_runs(out)[:count], Said()
    failures = train_all(runs, prepare(runs), jobs=jobs, out=out, display=said)
    assert {str(run): reason for run, reason in failures.items()} == said.failed_runs
    return said
