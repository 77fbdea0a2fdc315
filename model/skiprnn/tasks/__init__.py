"""Tasks that `skiprnn train` knows, one file each. A file is imported when its task is asked for."""

import importlib

from skiprnn import lazy
from skiprnn.data.types import Batch, Data
from skiprnn.tasks.task import Source, Task

__all__ = ["NAMES", "RENAMED", "Batch", "Data", "Source", "Task", "find"]

NAMES = (
    "adding",
    "charades",
    "digits",
    "fashion",
    "frequency",
    "imdb",
    "mnist",
    "plaid",
    "recordings",
    "ucf101",
    "watch",
)

RENAMED = {"csv": "recordings"}  # old name → new name; the old one will be removed in the next release


def find(name: str) -> Task:
    """The task of that name. An old name gives a DeprecationWarning.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name in RENAMED:
        lazy.warn_renamed(f"the task {name}", RENAMED[name])
        name = RENAMED[name]
    if name not in NAMES:
        raise ValueError(f"task: expected one of {', '.join(NAMES)}, got {name!r}")
    task: Task = importlib.import_module(f"skiprnn.tasks.{name}").TASK
    return task
