"""A task: where its data comes from, how its outputs are evaluated, and how a network is trained on it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from skiprnn.data.types import Data
from skiprnn.metrics import Metric
from skiprnn.recipe import Recipe


class Source(NamedTuple):
    """What `Task.load` gets: the user's folder, the recipe, the seed and the task's own options."""

    folder: Path | None
    recipe: Recipe
    seed: int
    options: Mapping[str, Any]

    def need_folder(self, holds: str) -> Path:
        """The user's folder.

        Raises:
            FileNotFoundError: none was given, or it does not exist; the message says what it should hold.
        """
        if self.folder is None:
            raise FileNotFoundError(f"expected --data with {holds}, got none")
        if not self.folder.is_dir():
            raise FileNotFoundError(f"{self.folder}: expected a folder with {holds}, found none")
        return self.folder


@dataclasses.dataclass(frozen=True)
class Task:
    """One way to train a network.

    Attributes:
        summary: one line that describes it.
        recipe, paper: our default, and the paper's settings (`--paper`).
        load: downloads or loads the data.
        options: the task's own settings and their defaults (`--override name=value`).
    """

    name: str
    summary: str
    metric: Metric
    load: Callable[[Source], Data]
    recipe: Recipe
    paper: Recipe
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
