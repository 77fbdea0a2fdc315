"""Tasks of one's own: in a Python file, or in an installed package (docs/how-to/own-task.md).

A file defines `TASK`. A package names its tasks among its entry points:

    [project.entry-points."skiprnn.tasks"]
    my-task = "my_package.my_task:TASK"
"""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

from skiprnn.tasks.task import Task

GROUP = "skiprnn.tasks"


def installed() -> dict[str, importlib.metadata.EntryPoint]:
    """The tasks of installed packages by name; their packages are not imported."""
    return {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}


def from_package(entry: importlib.metadata.EntryPoint) -> Task:
    """A task of an installed package. Raises ValueError: the entry point names something else."""
    try:
        return _checked(entry.load(), f"{entry.name} = {entry.value!r}")
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{entry.name} = {entry.value!r}: expected a task in a package: {error}") from error


def from_file(path: Path) -> Task:
    """The TASK of a Python file, which is run as Python runs it: it may import files beside it.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it defines no TASK.
        Exception: what the file itself raises.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a Python file that defines TASK, found none")
    name = f"skiprnn_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path}: expected a Python file that defines TASK")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return _checked(getattr(module, "TASK", None), f"{path}: TASK")


def _checked(found: Any, where: str) -> Task:
    if not isinstance(found, Task):
        raise ValueError(f"{where}: expected a skiprnn.tasks.Task, got {found!r:.100}")
    return found
