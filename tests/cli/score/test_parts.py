"""The chunks that are done: what is read is what was written, and parts of another plan are removed."""

import fcntl
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from skiprnn_cli.score.parts import Parts, atomic
from skiprnn_service.scoring.score import Score

PLAN = {"data": "a.npy", "threshold": 0.5}


def scores(*, updates: int) -> list[Score]:
    y = np.arange(2 * updates, dtype=np.float32).reshape(-1, 2)
    return [Score(samples, np.arange(updates), y, samples + 1) for samples in (9, 10)]


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts, chunk = Parts(tmp_path / "out.json", PLAN), scores(updates=3)
    assert not parts.open()
    parts.write(4, chunk)
    assert (parts.has(4), parts.has(0)) == (True, False)
    for before, after in zip(chunk, parts.read(4), strict=True):
        assert (after.samples, after.wake) == (before.samples, before.wake)
        np.testing.assert_array_equal(after.t, before.t)
        np.testing.assert_array_equal(after.y, before.y, strict=True)


@pytest.mark.parametrize(("plan", "resumed"), [(PLAN, True), (PLAN | {"threshold": 0.6}, False)])
def test_parts_of_another_plan_are_removed(tmp_path: Path, plan: dict[str, object], resumed: bool) -> None:
    first = Parts(tmp_path / "out.json", PLAN)
    first.open()
    first.write(0, scores(updates=1))
    first.close()
    second = Parts(tmp_path / "out.json", plan)
    assert (second.open(), second.has(0)) == (resumed, resumed)
    second.remove()
    assert list(tmp_path.iterdir()) == []


def test_parts_are_of_one_run_at_a_time(tmp_path: Path) -> None:
    """A second one changes nothing while the first one runs, even of another plan or anew."""
    first, second = Parts(tmp_path / "out.json", PLAN), Parts(tmp_path / "out.json", PLAN | {"data": "b.npy"})
    first.open()
    first.write(0, scores(updates=1))
    for anew in (False, True):
        with pytest.raises(BlockingIOError, match=r"out\.json: expected one run at a time, another one is"):
            second.open(anew=anew)
    assert first.has(0)
    first.remove()
    assert (second.open(), second.has(0)) == (False, False)


def test_parts_are_removed_where_a_run_begins_anew(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "out.json", PLAN)
    parts.open()
    parts.write(0, scores(updates=1))
    parts.close()
    assert (parts.open(anew=True), parts.has(0)) == (False, False)


def test_a_lock_that_was_removed_in_between_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run opens the lock just before the one that holds it removes the folder and ends."""
    first, second, lock = Parts(tmp_path / "out.json", PLAN), Parts(tmp_path / "out.json", PLAN), fcntl.flock
    first.open()

    def late(file: BinaryIO, operation: int) -> None:
        monkeypatch.undo()
        first.remove()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    second.open()
    with pytest.raises(BlockingIOError):
        first.open()


def break_off(path: Path) -> None:
    with atomic(path) as file:
        file.write(b"half")
        raise RuntimeError


def test_a_write_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        break_off(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
