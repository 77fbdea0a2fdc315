"""The folder of a run: what is in it, and that it is not overwritten."""

from pathlib import Path
from typing import Any

import pytest

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
