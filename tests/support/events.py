"""A small task of events: bumps up and down in noise, of which the network has to say which it was."""

from pathlib import Path
from typing import Any

import numpy as np

from skiprnn.data.event_stream import EventStream
from skiprnn.data.events import EventChunks, EventTargets, event_data
from skiprnn.data.types import Data, EventStreams
from skiprnn.event_metric import EventMetric
from skiprnn.events import EventRule
from skiprnn.metrics import Metric, balanced_accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task
from support.recordings import write

CLASSES = ("none", "up", "down")
METRIC = EventMetric(before=0, after=20, sample_rate=10.0)
RECIPE = Recipe(
    cell="gru",
    hidden_size=16,
    epochs=6,
    batch_size=16,
    learning_rate=1e-2,
    target_rate=0.5,
    ramp=0.5,
    gate_bias=-1.0,
    keep="last",
)


def bumps(seed: int, samples: int = 2000) -> EventStream:
    """A stream with an event of ten samples every 50 to 150 samples."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum(rng.integers(50, 150, samples // 150))
    labels = rng.integers(1, 3, len(starts))
    x = 0.1 * rng.standard_normal((samples, 1), np.float32)
    for label, start in zip(labels, starts, strict=True):
        x[start : start + 10] += 1 if label == 1 else -1
    return EventStream(f"bumps {seed}", x, labels, starts, starts + 10)


def bumps_of_people(folder: Path) -> None:
    """Four people with a recording each, as CSV files with a column of labels."""
    for person in range(4):
        stream = bumps(person)
        labels = np.full(len(stream.x), "none", dtype=object)
        for label, start, end in zip(stream.labels, stream.starts, stream.ends, strict=True):
            labels[start:end] = CLASSES[label]
        write(folder, f"{person}.csv", x=stream.x[:, 0], person=f"p{person}", label=labels)


def event_task(*, carried: int = 1, metric: EventMetric = METRIC) -> Task:
    def load(source: Source) -> Data:
        network: dict[str, Any] = {
            "input_size": 1,
            "output_size": 3,
            "classes": CLASSES,
            "events": EventRule("none", 0.5, 20),
        }
        return event_data(
            network,
            [bumps(seed) for seed in range(4)],
            EventStreams([bumps(4)], [bumps(5), bumps(6, 1500)], metric),
            EventTargets(before=2, delay=3, hold=10, after=20, weights=(1, 2, 2)),
            EventChunks(length=100, carried=carried, warm_up=10, batches=20),
            source.recipe.batch_size,
        )

    return Task(
        "bumps",
        "bumps in noise",
        Metric("balanced_accuracy", balanced_accuracy, is_share=True),
        load,
        RECIPE,
        RECIPE,
    )
