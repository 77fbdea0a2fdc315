"""The folder of a run: what is in it, and that it is not overwritten."""

import json
from pathlib import Path
from typing import Any

import pytest

from skiprnn.recipe import Recipe
from skiprnn.training.run_folder import RunFolder
from support.training import train


def test_an_interruption_while_the_history_is_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.log({"epoch": 0})
    write = Path.write_text

    def cut_short(path: Path, text: str, **options: Any) -> int:
        write(path, text[:-3], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", cut_short)
    with pytest.raises(KeyboardInterrupt):
        folder.log({"epoch": 1})
    assert folder.read_history() == [{"epoch": 0}]


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    with pytest.raises(FileExistsError, match="--resume"):
        train(tmp_path, epochs=1)


def test_a_run_is_not_resumed_as_another_one(tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    with pytest.raises(ValueError, match=r"hidden_size: was 8, now 9; seed: was 0, now 1"):
        train(tmp_path, epochs=1, hidden_size=9, seed=1, resume=True)


FILES = {"a.csv": "trained on 11", "b.csv": "held out 22", "c.csv": "trained on 33"}


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (FILES | {"d.csv": "trained on 44"}, r"\(d\.csv is new\)"),
        ({"a.csv": "trained on 11", "b.csv": "held out 22"}, r"\(c\.csv is missing\)"),
        (FILES | {"a.csv": "trained on 99"}, r"\(a\.csv has changed\)"),
        (FILES | {"a.csv": "held out 11"}, r"\(a\.csv was trained on, now held out\)"),
    ],
)
def test_a_run_is_not_resumed_on_other_recordings(tmp_path: Path, now: dict[str, str], message: str) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(Recipe(), {}, recordings=FILES)
    folder.check(Recipe(), {}, resume=True, recordings=FILES)
    with pytest.raises(ValueError, match=rf"expected the recordings that the run began with, .*{message}"):
        folder.check(Recipe(), {}, resume=True, recordings=now)


def test_a_run_of_a_release_that_noted_no_recordings_resumes_and_notes_them(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(Recipe(), {})
    folder.check(Recipe(), {}, resume=True, recordings=FILES)
    folder.begin(Recipe(), {}, recordings=FILES)
    assert json.loads((tmp_path / "recordings.json").read_text()) == FILES


@pytest.mark.parametrize("name", ["recipe.json", "training.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    train(tmp_path, epochs=1)
    path = tmp_path / name
    path.write_text(path.read_text()[:-5])
    with pytest.raises(ValueError, match=rf"{name}: expected JSON as training wrote it"):
        train(tmp_path, epochs=1, resume=True)
