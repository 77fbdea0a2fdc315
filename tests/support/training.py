"""A task that is learned in a second or two, and short experiments on it."""

from pathlib import Path
from typing import Any

import torch
from numpy.random import Generator

from skiprnn import SkipNetwork
from skiprnn.data.generated import generated
from skiprnn.data.types import Batch, Data
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task
from skiprnn.training import Experiment, fit


def draw(rng: Generator, size: int) -> Batch:
    """Is the first of 12 samples positive? The rest is noise that may be skipped."""
    x = torch.from_numpy(rng.standard_normal((size, 12, 2)).astype("float32"))
    return Batch(x, (x[:, 0, 0] > 0).long())


def _load(source: Source) -> Data:
    network = {"input_size": 2, "output_size": 2, "classes": ("no", "yes")}
    return generated(draw, source.recipe.batch_size, network)


FIRST_SAMPLE = Task(
    name="first-sample",
    summary="is the first sample positive?",
    metric=Metric("accuracy", accuracy, solved=0.9, is_share=True),
    load=_load,
    recipe=Recipe(cell="gru", hidden_size=8, batch_size=16, epochs=2, learning_rate=1e-2, keep="last"),
    paper=Recipe(),
    options={"unused": 1},
)


def short_experiment(**changes: Any) -> Experiment:
    """Two epochs; `changes` are fields of the recipe, or `seed`, `options`, `warm_start` of the experiment."""
    rest = {name: changes.pop(name) for name in ("seed", "options", "warm_start") if name in changes}
    return Experiment(FIRST_SAMPLE, FIRST_SAMPLE.recipe.changed(changes), **rest)


def train(out: Path, *, resume: bool = False, **changes: Any) -> dict[str, Any]:
    """The results of such an experiment; `out` then holds the run."""
    return fit(short_experiment(**changes), out, resume=resume, progress_bar=False)


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Those of the network that a run saved, by name."""
    return SkipNetwork.load(run).state_dict()
