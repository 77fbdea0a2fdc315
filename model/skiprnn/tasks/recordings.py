"""Your own recordings: a folder of tables, or one table, with labels (docs/how-to/own-data.md).

One file is one recording, or a column says which recording a row is of. Whole recordings are held out for the test, or
whole groups of them (people, machines) where a column names the group.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

from skiprnn.data.layout import OPTIONS, Layout
from skiprnn.data.recordings import Windows, windowed
from skiprnn.data.tables import read_tables
from skiprnn.data.types import Data, Signal
from skiprnn.metrics import Metric, balanced_accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

_SIZE, _CHANNEL = 0.1, 0.05  # standard deviation of the logarithm of a gain

_log = logging.getLogger(__name__)


def _load(source: Source) -> Data:
    options, size = source.options, source.recipe.batch_size
    layout = _checked(options)
    data = source.need_data("CSV or Parquet files, one recording each, with a column of labels")
    tables = read_tables(data, layout).without_short(options["window"])
    tables.say_classes()
    if len(tables.classes) < 2:
        raise ValueError(f"expected two classes at least in {options['label']!r}, got {list(tables.classes)}")
    train, test = tables.split(options["held_out"], source.seed)
    length = min(options["window"], *(len(recording.x) for recording in tables.recordings))
    _log.info("%d recordings to train on, %d held out; windows of %d samples", len(train), len(test), length)
    windows = Windows(length, joined=options["joined"], tempo=0.1, warm_up=length // 4)
    network = {
        "input_size": len(tables.features),
        "output_size": len(tables.classes),
        "features": tables.features,
        "classes": tables.classes,
        "sample_rate": tables.sample_rate,
    }
    made = windowed(
        network,
        train,
        test,
        windows,
        size,
        augment=_stronger_or_weaker,
        length=length,
        stride=max(1, length // 2),
    )
    _check_windows(made, tables.classes)
    recordings = tables.identity(tables.held_out(options["held_out"], source.seed))
    return dataclasses.replace(made, recordings=recordings)


def _checked(options: Mapping[str, Any]) -> Layout:
    if options["window"] < 2:
        raise ValueError(f"window: expected 2 samples at least, got {options['window']!r}")
    if not 0 < options["held_out"] < 1 or not 0 <= options["joined"] <= 1:
        raise ValueError(
            f"held_out, joined: expected within (0, 1) and [0, 1], got {options['held_out']!r}, {options['joined']!r}"
        )
    return Layout.of(options)


def _check_windows(data: Data, classes: Sequence[str]) -> None:
    """The class of a window is that of its last sample: a class may be in recordings, and of no window."""
    seen = {int(label) for batch in data.validation for label in batch.y}
    if missing := [name for label, name in enumerate(classes) if label not in seen]:
        raise ValueError(
            f"expected windows of every class in the held-out part, got none that ends in {missing}; "
            "try a smaller --override window=…, or another --seed"
        )


def _stronger_or_weaker(x: Signal, rng: Generator) -> Signal:
    """Windows [B, T, F] with another gain, and a little another one a channel."""
    B, _, F = x.shape
    gain = _SIZE * rng.standard_normal((B, 1, 1)) + _CHANNEL * rng.standard_normal((B, 1, F))
    scaled: Signal = x * np.exp(gain).astype(np.float32)
    return scaled


TASK = Task(
    name="recordings",
    summary="your own recordings: a folder of tables, or one table, with labels",
    metric=Metric("balanced_accuracy", balanced_accuracy),
    load=_load,
    recipe=Recipe(
        cell="gru",
        hidden_size=64,
        dropout=0.3,
        epochs=16,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=1e-2,
        learning_rate_schedule="cosine",
        every_step=True,
        label_smoothing=0.05,
        target_rate=0.25,
        ramp=0.5,
        keep="last",
    ),
    paper=Recipe(batch_size=64, epochs=200, every_step=True, lambda_=1e-4, keep="last"),
    options={**OPTIONS, "window": 256, "joined": 0.3, "held_out": 0.2},
)
