"""Train the runs of a comparison, each as a process of its own.

On Linux a process is a fork of this one, which has imported PyTorch and loaded the data: both are there once, not once
a process. This process must therefore have no threads but its own. Elsewhere processes load the data themselves.
"""

import fcntl
import multiprocessing
import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import torch

from skiprnn.compare.plan import Run
from skiprnn.data.types import Data
from skiprnn.training.trainer import fit

_FORKS = sys.platform == "linux"
_CONTEXT = multiprocessing.get_context("fork") if _FORKS else multiprocessing.get_context("spawn")
_LOOK_SECONDS = 0.5  # between two looks at what runs have done
_END_SECONDS = 30.0  # for a run to end by itself once it is asked to


class Display(Protocol):
    """Who is told how the training goes."""

    def running(self, runs: Sequence[Run]) -> None:
        """These are being trained; called about twice a second."""

    def finished(self, run: Run, results: dict[str, Any]) -> None:
        """A run has its results."""

    def failed(self, run: Run, reason: str) -> None:
        """A run ended without results; the others go on."""


def train_all(runs: Sequence[Run], data: Data, *, jobs: int, out: Path, display: Display) -> dict[Run, str]:
    """Train the runs that are not finished; return those that failed, with the last line that they wrote.

    KeyboardInterrupt ends all; the same call goes on from the last epochs.

    Args:
        runs: seed after seed.
        data: of the first seed, as `prepare` gave it.
        jobs: how many are trained at a time, each on one core.
        out: gets a file `logs/NAME.txt` for each run.

    Raises:
        BlockingIOError: another process trains into `out`.
    """
    loaded = {runs[0].seed: data}
    waiting, active, failures = (
        deque(run for run in runs if run.results() is None),
        _Active(out),
        dict[Run, str](),
    )
    with _locked(out), active:
        while waiting or active.processes:
            while waiting and len(active.processes) < jobs:
                run = waiting.popleft()
                active.start(run, _data_of(run, loaded))
            for run in active.ended():
                if results := run.results():
                    display.finished(run, results)
                else:
                    failures[run] = active.reason(run)
                    display.failed(run, failures[run])
            display.running(list(active.processes))
    return failures


def _data_of(run: Run, loaded: dict[int, Data]) -> Data | None:
    """Loads the data of a new seed, and forgets that of earlier ones."""
    if not _FORKS:
        return None  # it cannot be sent to another process
    if run.seed not in loaded:
        loaded.clear()
        loaded[run.seed] = run.experiment.load()
    return loaded[run.seed]


class _Active:
    """The processes that are training now; leaving the block ends them."""

    def __init__(self, out: Path) -> None:
        self.processes: dict[Run, BaseProcess] = {}
        self._logs = out / "logs"
        self._exits: dict[Run, int] = {}

    def __enter__(self) -> "_Active":
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.join(_END_SECONDS)
            process.kill()
            process.join()

    def start(self, run: Run, data: Data | None) -> None:
        process = _CONTEXT.Process(target=_train, args=(run, data, self._log(run)), daemon=True)
        with warnings.catch_warnings():
            # Readers of Parquet leave idle threads behind; a run calls none of them.
            warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
            process.start()
        self.processes[run] = process

    def ended(self) -> list[Run]:
        """Wait a little; the runs whose processes have ended since the last call."""
        connection.wait([process.sentinel for process in self.processes.values()], _LOOK_SECONDS)
        done = [run for run, process in self.processes.items() if process.exitcode is not None]
        for run in done:
            self._exits[run] = self.processes.pop(run).exitcode or 0
        return done

    def reason(self, run: Run) -> str:
        """Why it failed, in a line."""
        lines = [line for line in self._log(run).read_text("utf-8", "replace").splitlines() if line.strip()]
        code = self._exits[run]
        ending = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ": ".join((*([] if code >= 0 and lines else [ending]), *lines[-1:]))

    def _log(self, run: Run) -> Path:
        return self._logs / f"{run.folder.name}.txt"


def _train(run: Run, data: Data | None, log: Path) -> None:
    """The process of a run. Ctrl-C in a terminal reaches all processes: the first one then ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    torch.set_num_threads(1)
    fit(run.experiment, run.folder, resume=True, progress_bar=False, data=data)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Two comparisons must not train into one folder. Forked processes hold the lock too, until the last one ends."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"{out}: another comparison, or a run that it began, is still training into this folder; "
                "wait for it, or choose another --out"
            ) from None
        yield
