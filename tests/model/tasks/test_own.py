"""Tasks of one's own: in a Python file, and among the entry points of an installed package."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skiprnn import tasks
from skiprnn.tasks import own

TASK = """
from __future__ import annotations

from dataclasses import dataclass

from beside import SIZE
from skiprnn.data.generated import generated
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks import Task


@dataclass
class Kept:
    size: int = SIZE


RECIPE = Recipe(epochs=1)
TASK = Task("mine", "my own", Metric("accuracy", accuracy, is_share=True), lambda source: None, RECIPE, RECIPE)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With a task in a file, another file that it imports, and a package with an entry point."""
    path = list(sys.path)
    (tmp_path / "my_task.py").write_text(TASK)
    (tmp_path / "beside.py").write_text("SIZE = 3\n")
    information = tmp_path / "site" / "my_package-1.dist-info"
    information.mkdir(parents=True)
    (tmp_path / "site" / "my_package.py").write_text(f"{TASK}\nSIZE = 5\n")
    (information / "METADATA").write_text("Name: my-package\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        "[skiprnn.tasks]\nmine = my_package:TASK\nnumber = my_package:SIZE\nnothing = my_package:NO\n"
        "gone = no_such_package:TASK\n"
    )
    yield tmp_path
    sys.path[:] = path
    for name in ("beside", "my_package", "skiprnn_task_my_task"):
        sys.modules.pop(name, None)


def test_a_file_is_run_as_python_runs_it(folder: Path) -> None:
    assert tasks.find(str(folder / "my_task.py")).name == "mine"


def test_a_task_of_an_installed_package_is_found_by_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(folder / "site")
    assert {"mine", "number", "gone"} <= own.installed().keys()
    assert tasks.find("mine").name == "mine"


def test_listing_installed_tasks_imports_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder / "site")
    with pytest.raises(
        ValueError, match=r"task: expected one of adding, .*, gone, mine, nothing, number, or a Python"
    ):
        tasks.find("guessing")
    assert "my_package" not in sys.modules


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("number", "number = 'my_package:SIZE': expected a skiprnn.tasks.Task, got 5"),
        ("nothing", "nothing = 'my_package:NO': expected a task in a package"),
        (
            "gone",
            "gone = 'no_such_package:TASK': expected a task in a package: No module named 'no_such_package'",
        ),
    ],
)
def test_an_entry_point_of_something_else_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.syspath_prepend(folder / "site")
    with pytest.raises(ValueError, match="expected") as caught:
        tasks.find(name)
    assert str(caught.value).startswith(reason)


def test_a_file_without_a_task_is_an_error(folder: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"none\.py: expected a Python file that defines TASK, found none"
    ):
        tasks.find(str(folder / "none.py"))
    with pytest.raises(ValueError, match=r"beside\.py: TASK: expected a skiprnn\.tasks\.Task, got None"):
        tasks.find(str(folder / "beside.py"))
