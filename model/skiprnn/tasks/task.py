"""What a task is: where its data comes from, how its answers are judged, and how a network is trained on it."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skiprnn.metrics import Metric
from skiprnn.recipe import Recipe

Signal = NDArray[np.float32]


class Batch(NamedTuple):
    """Sequences that are read together.

    Attributes:
        x: [B, T, F], raw units.
        y: classes [B] or, of every sample, [B, T]; values [B, K]; labels of every sample [B, T, K].
        lengths: [B], samples of each padded sequence; None when none is padded.
        weights: [B, T], how much the answer after each sample counts; None: as the recipe says.
    """

    x: Tensor
    y: Tensor
    lengths: Tensor | None = None
    weights: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        lengths, weights = (None if part is None else part.to(device) for part in self[2:])
        return Batch(self.x.to(device), self.y.to(device), lengths, weights)


@dataclasses.dataclass(frozen=True)
class Data:
    """A task's data, ready to train on.

    Attributes:
        network: the fields of NetworkConfig that the data decides: input_size, output_size, task, classes, …
        epoch: a random generator → the training batches of one epoch.
        batches: how many these are.
        validation: batches for model selection and for the log.
        test: batches for the figures that are reported; empty: the validation batches are.
        mean, std: [F], of the training samples; None leaves samples as they are.
        samples: a few real sequences, [T, F] each, on which an export is compared with torch.
    """

    network: Mapping[str, Any]
    epoch: Callable[[np.random.Generator], Iterator[Batch]]
    batches: int
    validation: Sequence[Batch]
    test: Sequence[Batch] = ()
    mean: Tensor | None = None
    std: Tensor | None = None
    samples: Sequence[Signal] = ()


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
        summary: one line for people.
        recipe, paper: our default, and the paper's settings (`--paper`).
        load: fetches or reads the data.
        options: the task's own settings and their defaults (`--set name=value`).
    """

    name: str
    summary: str
    metric: Metric
    load: Callable[[Source], Data]
    recipe: Recipe
    paper: Recipe
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
