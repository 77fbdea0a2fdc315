"""Handwritten digits of 8 × 8 pixels, one pixel a sample: small enough for experiments in minutes.

1,797 digits of the UCI collection that comes with scikit-learn; 1,197 to train on, 300 to select by, 300 to report,
by a fixed split.
"""

import numpy as np
from sklearn.datasets import load_digits

from skiprnn.data.dataset import Split, held_out
from skiprnn.data.pixels import pixel_data
from skiprnn.data.types import Data
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

_BRIGHTEST = 16


def _load(source: Source) -> Data:
    images, labels = load_digits(return_X_y=True)
    scaled = images.astype(np.float32).reshape(-1, 8, 8) / _BRIGHTEST
    train, rest = held_out(len(labels), 600 / len(labels))
    split = Split(train, rest[::2], rest[1::2])
    return pixel_data(scaled, labels.astype(np.int64), split, source.recipe.batch_size, "0123456789")


TASK = Task(
    name="digits",
    summary="handwritten digits of 8 × 8 pixels, one pixel a sample (scikit-learn)",
    metric=Metric("accuracy", accuracy, is_share=True),
    load=_load,
    recipe=Recipe(
        cell="gru",
        hidden_size=64,
        dropout=0.2,
        epochs=200,
        batch_size=64,
        learning_rate=3e-3,
        weight_decay=1e-2,
        learning_rate_schedule="cosine",
        target_rate=0.4,
        ramp=0.6,
        keep="last",
    ),
    paper=Recipe(epochs=600, lambda_=1e-4),
)
