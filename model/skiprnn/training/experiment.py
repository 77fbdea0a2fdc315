"""An experiment: a task, a recipe and a seed; its data, and the network that it begins with."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from skiprnn.data.types import Data
from skiprnn.metrics import Metric
from skiprnn.network import NetworkConfig, SkipNetwork
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What to train, and how.

    Attributes:
        folder: the user's data, for tasks that need it.
        options: the task's own settings.
        warm_start: a run or network directory to take the weights from.
    """

    task: Task
    recipe: Recipe
    seed: int = 0
    folder: Path | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warm_start: Path | None = None

    def load(self) -> Data:
        """The task's data.

        Raises:
            ValueError: an option that the task does not have, or a value of another type.
            FileNotFoundError, DownloadError: data that is not there.
        """
        options = self.task.checked(self.options)
        return self.task.load(Source(self.folder, self.recipe, self.seed, options))

    def identity(self) -> dict[str, Any]:
        """What makes a run this run, beside its recipe."""
        return {"task": self.task.name, "seed": self.seed, "options": {**self.task.options, **self.options}}


def metric_of(experiment: Experiment, data: Data) -> Metric:
    """What the results are measured by: the data's own metric, or the task's."""
    return data.metric or experiment.task.metric


def build(experiment: Experiment, data: Data) -> SkipNetwork:
    """The network before training: the recipe's shape, the data's scale, the warm start's weights."""
    network = SkipNetwork(
        NetworkConfig(name=experiment.task.name, **data.network, **experiment.recipe.network())
    )
    with torch.no_grad():
        network.rnn.gate.weight.mul_(experiment.recipe.gate_init_scale)
    if experiment.recipe.uniform_start is not None:
        torch.nn.init.zeros_(network.rnn.gate.weight)
        torch.nn.init.constant_(network.rnn.gate.bias, experiment.recipe.start_bias)
    if experiment.warm_start is not None:
        weights = SkipNetwork.load(experiment.warm_start).state_dict()
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"{experiment.warm_start}: expected a network of the recipe's shape: {error}"
            ) from error
    if data.mean is not None and data.std is not None:
        network.input_mean.copy_(data.mean)
        network.input_std.copy_(data.std)
    if data.target_mean is not None and data.target_std is not None:
        network.output_mean.copy_(data.target_mean)
        network.output_std.copy_(data.target_std)
    return network
