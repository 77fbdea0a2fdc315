"""A task: where its data comes from, how its outputs are evaluated, and how a network is trained on it."""

import dataclasses
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

from skiprnn.data.types import Data
from skiprnn.lazy import lazy_names
from skiprnn.metrics import Metric
from skiprnn.recipe import Recipe


class Source(NamedTuple):
    """What `Task.load` gets: the user's folder or file, the recipe, the seed and the task's own options."""

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

    def need_data(self, holds: str) -> Path:
        """The user's folder, or one file.

        Raises:
            FileNotFoundError: none was given, or it does not exist; the message says what it should hold.
        """
        if self.folder is None:
            raise FileNotFoundError(f"expected --data with {holds}, got none")
        if not self.folder.exists():
            raise FileNotFoundError(f"{self.folder}: expected a folder with {holds}, or one file, found none")
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

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All options: those given, and defaults for the rest.

        Raises:
            ValueError: an option that the task does not have, or a value of another type than its default.
        """
        if unknown := sorted(set(options) - set(self.options)):
            raise ValueError(f"{self.name}: expected options among {sorted(self.options)}, got {unknown}")
        for name, value in options.items():
            if not _is_like(value, self.options[name]):
                expected = _EXPECTED[type(self.options[name])]
                raise ValueError(f"{name}: expected {expected}, got {value!r}")
        return {**self.options, **options}


_EXPECTED = {str: "text", int: "a whole number", float: "a number", type(None): "a number"}


def _is_like(value: Any, default: Any) -> bool:
    """A default of None stands for a number that is not known."""
    if isinstance(value, bool) or value is None:
        return value is default
    if isinstance(default, str):
        return isinstance(value, str)
    return isinstance(value, Integral if isinstance(default, int) else Real)


__getattr__ = lazy_names(
    __name__, renamed={name: f"skiprnn.data.types.{name}" for name in ("Batch", "Signal")}
)
