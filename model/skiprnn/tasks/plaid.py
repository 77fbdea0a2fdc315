"""Which appliance is drawing this current? PLAID: 537 currents to train on and 537 to report, 100 to 1,344
samples, 11 classes.

Gao et al., "PLAID: a public dataset of high-resolution electrical appliance measurements", BuildSys 2014, as prepared
by Schäfer and Leser; the files come with the package sktime (BSD). A fifth of the training part is held out to select
by.
"""

import zipfile

import numpy as np
import torch

from skiprnn.channels import Feature
from skiprnn.data import download
from skiprnn.data.dataset import Split, data_set, of_signals
from skiprnn.data.scale import mean_and_std
from skiprnn.data.types import Data, Signal
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

CLASSES = (
    "air conditioner",
    "compact fluorescent lamp",
    "fan",
    "fridge",
    "hairdryer",
    "heater",
    "incandescent light bulb",
    "laptop",
    "microwave",
    "vacuum",
    "washing machine",
)

_WHEEL = {
    "version": "1.2.0",
    "file": "sktime-1.2.0-py3-none-any.whl",
    "sha256": "dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae",
}


def _load(source: Source) -> Data:
    with zipfile.ZipFile(download.wheel("sktime", **_WHEEL)) as archive:
        texts = [
            archive.read(f"sktime/datasets/data/PLAID/PLAID_{part}.ts").decode() for part in ("TRAIN", "TEST")
        ]
    (x, y), (test_x, test_y) = (read_ts(text) for text in texts)
    split = Split.published(len(x), len(test_x), 0.2)
    network = {
        "input_size": 1,
        "output_size": len(CLASSES),
        "features": (Feature("current", "A"),),
        "classes": CLASSES,
    }
    signals = [*x, *test_x]
    mean, std = mean_and_std([x[number] for number in split.train])
    return data_set(
        network,
        of_signals(signals, torch.tensor([*y, *test_y])),
        split,
        source.recipe.batch_size,
        lengths=np.array([len(signal) for signal in signals]),
        mean=mean,
        std=std,
        samples=test_x[:8],
    )


def read_ts(text: str) -> tuple[list[Signal], list[int]]:
    """Sequences [T, 1] and classes of a univariate .ts file: after `@data`, a line `value,value,…:class` each.

    Raises:
        ValueError: a line that is none; the message gives its number.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    begin = next((index for index, (_, line) in enumerate(lines) if line.lower() == "@data"), len(lines))
    signals, classes = [], []
    for number, line in lines[begin + 1 :]:
        values, _, label = line.rpartition(":")
        try:
            signals.append(np.array(values.split(","), np.float32)[:, np.newaxis])
            classes.append(int(label))
        except ValueError as error:
            raise ValueError(f"line {number}: expected value,value,…:class, got {line[:40]!r}") from error
    if not signals:
        raise ValueError("expected @data and sequences after it, found none")
    return signals, classes


TASK = Task(
    name="plaid",
    summary="which of 11 appliances draws this current (PLAID)",
    metric=Metric("accuracy", accuracy, is_share=True),
    load=_load,
    recipe=Recipe(
        cell="gru",
        hidden_size=64,
        dropout=0.2,
        epochs=60,
        batch_size=32,
        learning_rate=3e-3,
        weight_decay=1e-2,
        learning_rate_schedule="cosine",
        every_step=True,
        target_rate=0.25,
        ramp=0.5,
        keep="last",
    ),
    paper=Recipe(epochs=600, batch_size=32, lambda_=1e-4),
)
