"""Tell one frequency from all others (section 4.2): how many samples of a sine are needed?

A sequence is 100 ms of a sine with a random phase. Class 0 has a period of 5 to 6 ms, class 1 one of 1 to 5 or 6 to
100 ms; half a batch each. Sampled every millisecond it has 100 samples, every half millisecond 200. Solved above 99 %.
"""

from functools import partial

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from skiprnn.channels import Feature
from skiprnn.data.generated import generated
from skiprnn.data.types import Batch, Data
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

DURATION = 100.0  # ms
PERIODS = (1.0, 5.0, 6.0, 100.0)  # ms: class 0 between the middle two, class 1 outside
SOLVED = 0.99


def _load(source: Source) -> Data:
    sampling = float(source.options["sampling"])
    if not 0 < sampling <= 10:
        raise ValueError(f"sampling: expected a period of at most 10 ms, got {sampling!r}")
    network = {
        "input_size": 1,
        "output_size": 2,
        "features": (Feature("amplitude"),),
        "classes": ("5 to 6 ms", "another period"),
        "sample_rate": 1000 / sampling,
    }
    return generated(partial(draw, sampling=sampling), source.recipe.batch_size, network)


def draw(rng: Generator, size: int, *, sampling: float = 1.0) -> Batch:
    """`size` sequences [B, T, 1] and their classes [B], both classes alike."""
    y = np.arange(size) % 2
    period = np.where(y == 0, rng.uniform(PERIODS[1], PERIODS[2], size), _other_period(rng, size))
    phase = rng.uniform(0, period)  # as the authors' code: an angle in radians up to the period
    t = np.arange(round(DURATION / sampling)) * sampling
    x = np.sin(2 * np.pi * t / period[:, np.newaxis] + phase[:, np.newaxis])
    return Batch(torch.from_numpy(x.astype(np.float32)).unsqueeze(2), torch.from_numpy(y))


def _other_period(rng: Generator, size: int) -> NDArray[np.float64]:
    """Uniform over (1, 5) ∪ (6, 100)."""
    shortest, low, high, longest = PERIODS
    drawn = rng.uniform(shortest, longest - (high - low), size)
    return np.where(drawn < low, drawn, drawn + (high - low))


TASK = Task(
    name="frequency",
    summary="tell a sine of 5 to 6 ms from all others (the paper's section 4.2)",
    metric=Metric("accuracy", accuracy, solved=SOLVED, is_share=True),
    load=_load,
    recipe=Recipe(
        cell="gru",
        gate_bias=-1.5,
        gate_init_scale=0.0,
        epochs=100,
        batch_size=64,
        learning_rate=2e-3,
        gate_learning_rate=0.1,
        learning_rate_schedule="cosine",
        lambda_=1e-4,
        keep="last",
    ),
    paper=Recipe(epochs=1000, lambda_=1e-4, keep="last"),
    options={"sampling": 1.0},
)
