"""Tasks that `skiprnn train` knows, one file each. A file is imported when its task is asked for."""

import importlib

from skiprnn.data.types import Batch, Data
from skiprnn.tasks.task import Source, Task

__all__ = ["NAMES", "Batch", "Data", "Source", "Task", "find"]

NAMES = (
    "adding",
    "charades",
    "csv",
    "digits",
    "ecg",
    "falls",
    "fashion",
    "frequency",
    "imdb",
    "mnist",
    "plaid",
    "ucf101",
    "watch",
    "words",
)


def find(name: str) -> Task:
    """The task of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in NAMES:
        raise ValueError(f"task: expected one of {', '.join(NAMES)}, got {name!r}")
    task: Task = importlib.import_module(f"skiprnn.tasks.{name}").TASK
    return task
