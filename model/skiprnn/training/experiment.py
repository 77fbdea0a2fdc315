"""An experiment: a task, a recipe and a seed; its data, and the network that it begins with."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from skiprnn.data.types import Data
from skiprnn.metrics import Measure, Metric
from skiprnn.network import NetworkConfig, SkipNetwork
from skiprnn.paths import StrPath
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

_READOUT = ("readout_hidden", "readout_activation")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What to train, and how.

    Attributes:
        folder: the user's data, for tasks that need it.
        options: the task's own settings.
        warm_start: a run or network directory to take the weights from, or a network: one that was trained already
            (`SkipNetwork.from_torch`). It brings the shape of its readout and its scales.
    """

    task: Task
    recipe: Recipe
    seed: int = 0
    folder: StrPath | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warm_start: StrPath | SkipNetwork | None = None

    def load(self) -> Data:
        """The task's data.

        Raises:
            ValueError: an option that the task does not have, or a value of another type.
            FileNotFoundError, DownloadError: data that is not there.
        """
        options = self.task.checked(self.options)
        folder = None if self.folder is None else Path(self.folder)
        return self.task.load(Source(folder, self.recipe, self.seed, options))

    def identity(self) -> dict[str, Any]:
        """What makes a run this run, beside its recipe."""
        return {"task": self.task.name, "seed": self.seed, "options": {**self.task.options, **self.options}}


def metric_of(experiment: Experiment, data: Data) -> Metric:
    """What the results are measured by: the data's own metric, or the task's."""
    return data.metric or experiment.task.metric


def measure_of(experiment: Experiment, data: Data) -> Measure:
    """What the first of the results' numbers is: of a task of events that of the alarms on whole streams."""
    return metric_of(experiment, data) if data.events is None else data.events.metric


def build(experiment: Experiment, data: Data) -> SkipNetwork:
    """The network before training: the recipe's shape, the data's scale, the warm start's weights."""
    start = _start(experiment.warm_start)
    readout = {} if start is None else {name: getattr(start.config, name) for name in _READOUT}
    network = SkipNetwork(
        NetworkConfig(name=experiment.task.name, **data.network, **experiment.recipe.network(), **readout)
    )
    with torch.no_grad():
        network.rnn.gate.weight.mul_(experiment.recipe.gate_init_scale)
    if experiment.recipe.uniform_start is not None:
        torch.nn.init.zeros_(network.rnn.gate.weight)
        torch.nn.init.constant_(network.rnn.gate.bias, experiment.recipe.start_bias)
    if start is not None:
        _load(network, start, source=experiment.warm_start)
        return network  # its weights were trained with its own scales
    if data.mean is not None and data.std is not None:
        network.input_mean.copy_(data.mean)
        network.input_std.copy_(data.std)
    if data.target_mean is not None and data.target_std is not None:
        network.output_mean.copy_(data.target_mean)
        network.output_std.copy_(data.target_std)
    return network


def _start(warm_start: StrPath | SkipNetwork | None) -> SkipNetwork | None:
    if warm_start is None or isinstance(warm_start, SkipNetwork):
        return warm_start
    return SkipNetwork.load(warm_start)


def _load(network: SkipNetwork, start: SkipNetwork, *, source: object) -> None:
    try:
        network.load_state_dict(start.state_dict())
    except RuntimeError as error:
        name = start.config.name if isinstance(source, SkipNetwork) else source
        raise ValueError(f"{name}: expected a network of the recipe's shape: {error}") from error
