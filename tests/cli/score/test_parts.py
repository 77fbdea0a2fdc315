"""The chunks that are done: what is read is what was written, and parts of another plan are removed."""

from pathlib import Path

import numpy as np
import pytest

from skiprnn_cli.score.parts import Parts, atomic
from skiprnn_service.scoring.formats.base import OutputSpec, Scored
from skiprnn_service.scoring.score import Score

PLAN = {"data": "a.npy", "threshold": 0.5}


def scored(*, updates: int) -> list[Scored]:
    y = np.arange(2 * updates, dtype=np.float32).reshape(-1, 2)
    return [Scored(name, Score(9, np.arange(updates), y, 9)) for name in ("one", "two")]


@pytest.mark.parametrize("all_updates", [True, False])
def test_a_part_is_read_as_it_was_written(tmp_path: Path, all_updates: bool) -> None:
    parts, chunk = Parts(tmp_path / "out.json", PLAN), scored(updates=3)
    assert not parts.open()
    parts.write(4, chunk, OutputSpec("m", "1", ("a", "b"), all_updates))
    assert (parts.has(4), parts.has(0)) == (True, False)
    for before, after in zip(chunk, parts.read(4), strict=True):
        assert (after.id, after.score.samples, len(after.score.t)) == (before.id, 9, 3)
        np.testing.assert_array_equal(after.score.y, before.score.y if all_updates else before.score.y[-1:])


@pytest.mark.parametrize(("plan", "resumed"), [(PLAN, True), (PLAN | {"threshold": 0.6}, False)])
def test_parts_of_another_plan_are_removed(tmp_path: Path, plan: dict[str, object], resumed: bool) -> None:
    first = Parts(tmp_path / "out.json", PLAN)
    first.open()
    first.write(0, scored(updates=1), OutputSpec("m", "1", ("a", "b"), False))
    second = Parts(tmp_path / "out.json", plan)
    assert (second.open(), second.has(0)) == (resumed, resumed)
    second.remove()
    assert list(tmp_path.iterdir()) == []


def break_off(path: Path) -> None:
    with atomic(path) as file:
        file.write(b"half")
        raise RuntimeError


def test_a_write_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        break_off(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
