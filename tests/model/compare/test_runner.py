"""Runs of a comparison: each is a process of its own, and one that fails does not stop the others."""

import fcntl
from pathlib import Path

import pytest

from skiprnn.compare.plan import prepare
from skiprnn.compare.runner import train_all
from support.compare_process import Said, tiny_runs, trained

pytestmark = pytest.mark.timeout(900)


def test_a_run_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    failing, whole = tiny_runs(tmp_path)[:2]
    (failing.folder / "config.json").mkdir(parents=True)  # where its network is to be saved
    said = trained(tmp_path, count=2, jobs=1)
    assert said.finished_runs == [f"{whole}: accuracy"]
    assert list(said.failed_runs) == [str(failing)]
    assert "config.json" in said.failed_runs[str(failing)]
    assert (failing.results(), bool(whole.results())) == (None, True)
    assert "Traceback" in (tmp_path / "logs" / f"{failing.folder.name}.txt").read_text()


def test_the_same_call_trains_what_is_left(tmp_path: Path) -> None:
    first, second = tiny_runs(tmp_path)[:2]
    assert trained(tmp_path, count=1, jobs=2).finished_runs == [f"{first}: accuracy"]
    weights = (first.folder / "network.safetensors").stat().st_mtime_ns
    said = trained(tmp_path, count=2, jobs=2)
    assert (said.finished_runs, said.failed_runs) == ([f"{second}: accuracy"], {})
    assert (first.folder / "network.safetensors").stat().st_mtime_ns == weights


def test_no_more_runs_are_trained_at_a_time_than_asked_for(tmp_path: Path) -> None:
    said = trained(tmp_path, count=3, jobs=2)
    assert len(said.finished_runs) == 3
    assert said.most_at_a_time <= 2


def test_a_folder_that_another_comparison_trains_into_is_left_alone(tmp_path: Path) -> None:
    runs = tiny_runs(tmp_path)
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="is still training into this folder"):
            train_all(runs, prepare(runs), jobs=1, out=tmp_path, display=Said())
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
