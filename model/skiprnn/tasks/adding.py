"""Add the two marked values of a sequence (section 4.1): can the network remember, and skip what does not matter?

A sample is a value in [−0.5, 0.5) and a marker. One marker is 1 within the first tenth of the sequence, one within its
last half, all others are 0. The answer is the sum of the two marked values; guessing 0 has a mean squared error of
Var = 1/6, and the task is solved below a hundredth of that.
"""

from functools import partial

import numpy as np
import torch
from numpy.random import Generator

from skiprnn.channels import Feature
from skiprnn.data.generated import generated
from skiprnn.data.types import Batch, Data
from skiprnn.metrics import Metric, mean_squared_error
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

SOLVED = 1 / 600


def _load(source: Source) -> Data:
    length = source.options["length"]
    if length < 10:
        raise ValueError(f"length: expected at least 10 samples, got {length!r}")
    network = {
        "input_size": 2,
        "output_size": 1,
        "task": "sequence_regression",
        "features": (Feature("value"), Feature("marker")),
    }
    return generated(partial(draw, length=length), source.recipe.batch_size, network)


def draw(rng: Generator, size: int, *, length: int = 50) -> Batch:
    """`size` sequences [B, T, 2] and their sums [B, 1]."""
    x = np.zeros((size, length, 2), np.float32)
    x[..., 0] = rng.uniform(-0.5, 0.5, (size, length))
    rows = np.arange(size)
    first, second = rng.integers(0, length // 10, size), rng.integers(length // 2, length, size)
    x[rows, first, 1] = x[rows, second, 1] = 1
    y = x[rows, first, 0] + x[rows, second, 0]
    return Batch(torch.from_numpy(x), torch.from_numpy(y).unsqueeze(1))


TASK = Task(
    name="adding",
    summary="add the two marked values among 50 (the paper's section 4.1)",
    metric=Metric("mean_squared_error", mean_squared_error, higher_is_better=False, solved=SOLVED),
    load=_load,
    recipe=Recipe(
        cell="gru",
        gate_init_scale=0.0,
        epochs=100,
        batch_size=64,
        learning_rate=2e-3,
        gate_learning_rate=2.0,
        learning_rate_schedule="cosine",
        lambda_=1e-5,
        rate_penalty=5e-3,  # what counts here are errors of 1e-3: more would meet a rate whatever it costs
        rate_dual_step=5e-7,
        keep="last",
    ),
    paper=Recipe(epochs=600, lambda_=1e-5, keep="last"),
    options={"length": 50},
)
