"""The old place of the results table."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from skiprnn.training import results


def test_the_old_module_is_the_new_one_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "skiprnn.results", raising=False)  # it warns when it is first imported
    with pytest.warns(DeprecationWarning, match=r"skiprnn\.results is now skiprnn\.training\.results"):
        old = importlib.import_module("skiprnn.results")
    assert old.table is results.table


def test_the_old_program_prints_the_same_table_and_warns(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.touch()
    old, new = (
        subprocess.run([sys.executable, "-m", module, str(file)], capture_output=True, text=True, check=True)
        for module in ("skiprnn.results", "skiprnn.training.results")
    )
    assert old.stdout == new.stdout
    assert "| update rate |" in new.stdout
    assert old.stderr == "warning: python -m skiprnn.results is now python -m skiprnn.training.results\n"
