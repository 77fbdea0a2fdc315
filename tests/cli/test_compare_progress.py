"""How a comparison goes: a line a finished run; on a terminal a bar below them."""

import os
import pty
import re
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from skiprnn.compare.plan import Run, plan
from skiprnn.training import fit
from skiprnn_cli.compare_progress import progress_of
from support.training import short_experiment


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    """Three runs of an epoch; the first is trained."""
    planned = plan(short_experiment(epochs=1), [0.5], seeds=1, out=tmp_path)[:3]
    fit(planned[0].experiment, planned[0].folder, progress_bar=False)
    return planned


@contextmanager
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard error is a terminal for the length of the block; what it shows is read from the descriptor."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 200))
    with os.fdopen(theirs, "w") as screen, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", screen)
        patch.setenv("TERM", "xterm")
        yield ours
    os.close(ours)


def everything(terminal: int) -> str:
    """What the terminal has been sent so far."""
    os.set_blocking(terminal, False)
    shown = b""
    with suppress(BlockingIOError):
        while part := os.read(terminal, 4096):
            shown += part
    return shown.decode()


def go_through(runs: list[Run]) -> None:
    with progress_of(runs) as progress:
        progress.running(runs[1:])
        progress.failed(runs[1], "killed by SIGKILL")
        results = fit(runs[2].experiment, runs[2].folder, progress_bar=False)
        progress.finished(runs[2], results | {"warning": "the gate has collapsed"})
        progress.running([])


def test_a_log_gets_a_line_a_run_with_its_number(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    go_through(runs)
    out, err = capsys.readouterr()
    first, failed, finished, warning = err.splitlines()
    assert first == "3 runs of 1 epochs, 1 of them finished before"
    assert failed == f"[2/3] {runs[1]} failed: killed by SIGKILL"
    assert re.fullmatch(rf"\[3/3\] {runs[2]}: accuracy [\d.]+, update rate [\d.]+%, \d+ s", finished)
    assert warning == f"warning: {runs[2]}: the gate has collapsed"
    assert out == ""


def test_a_terminal_shows_the_same_lines_and_the_runs_in_training(
    runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_a_terminal(monkeypatch) as terminal:
        go_through(runs)
        shown = everything(terminal)
    assert f"{runs[1]} failed: killed by SIGKILL" in shown
    assert f"{runs[1]} (0/1)" in shown
    assert "3/3" in shown
    assert "epochs" in shown
