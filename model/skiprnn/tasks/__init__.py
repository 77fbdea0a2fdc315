"""Tasks that `skiprnn train` knows, one file each. A file is imported when its task is asked for.

Tasks of one's own are found too, in a Python file or in an installed package (own.py).
"""

import importlib
from pathlib import Path

from skiprnn import lazy
from skiprnn.data.event_stream import EventStream
from skiprnn.data.types import Batch, Data, EventStreams
from skiprnn.tasks import own
from skiprnn.tasks.task import Source, Task

__all__ = ["NAMES", "RENAMED", "Batch", "Data", "EventStream", "EventStreams", "Source", "Task", "find"]

NAMES = (
    "adding",
    "charades",
    "digits",
    "ecg",
    "falls",
    "fashion",
    "frequency",
    "imdb",
    "mnist",
    "plaid",
    "recordings",
    "ucf101",
    "watch",
    "words",
)

RENAMED = {"csv": "recordings"}  # old name → new name; the old one will be removed in the next release


def find(name: str) -> Task:
    """The task of that name, of an installed package, or of a Python file (a name that ends in .py).
    An old name gives a DeprecationWarning.


    Raises:
        ValueError: there is none; the message lists those there are. Or a file or package holds something else.
        FileNotFoundError: no such file.
    """
    if name in RENAMED:
        lazy.warn_renamed(f"the task {name}", RENAMED[name])
        name = RENAMED[name]
    if name in NAMES:
        task: Task = importlib.import_module(f"skiprnn.tasks.{name}").TASK
        return task
    if name.endswith(".py"):
        return own.from_file(Path(name))
    installed = own.installed()
    if name not in installed:
        names = ", ".join([*NAMES, *sorted(installed)])
        raise ValueError(f"task: expected one of {names}, or a Python file that defines TASK, got {name!r}")
    return own.from_package(installed[name])
