"""A task's data, and a run of one epoch on it."""

from pathlib import Path
from typing import Any

import pytest

from skiprnn import tasks
from skiprnn.data.download import DownloadError
from skiprnn.tasks import Data, Source
from skiprnn.training import Experiment, fit


def load(name: str, folder: Path | None = None, *, seed: int = 0, **options: Any) -> Data:
    """Skips the test where the data cannot be downloaded."""
    task = tasks.find(name)
    try:
        return task.load(Source(folder, task.recipe, seed, {**task.options, **options}))
    except DownloadError as error:
        pytest.skip(f"the package cannot be downloaded here: {error}")


def train_once(name: str, folder: Path, out: Path, **options: Any) -> dict[str, Any]:
    """The results of one epoch with the paper's settings on a small network."""
    task = tasks.find(name)
    recipe = task.paper.changed({"epochs": 1, "hidden_size": 4, "batch_size": 4})
    experiment = Experiment(task, recipe, folder=folder, options=options)
    return fit(experiment, out, progress_bar=False)
