"""The user's own recordings: windows, training, and what the network knows of them."""

import logging
from pathlib import Path

import numpy as np
import pytest

from skiprnn import tasks
from skiprnn.training import Experiment, fit
from support.recordings import machines
from support.tasks import load


def test_it_trains_and_its_network_knows_features_and_classes(tmp_path: Path) -> None:
    task = tasks.find("csv")
    recipe = task.recipe.changed({"epochs": 1, "hidden_size": 8, "batch_size": 8})
    options = {"label": "kind", "sample_rate": 20.0}
    plan = Experiment(task, recipe, folder=machines(tmp_path / "data"), options=options)
    fit(plan, tmp_path / "run", progress_bar=False)
    config = (tmp_path / "run" / "config.json").read_text()
    assert '"unit": "g"' in config
    assert '"slow"' in config
    assert '"sample_rate": 20.0' in config


def test_windows_shrink_to_the_shortest_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        data = load("csv", machines(tmp_path, samples=40), label="kind")
    assert data.validation[0].x.shape[1:] == (40, 2)
    assert "windows of 40 samples" in caplog.text


def test_windows_join_recordings_and_labels_follow(tmp_path: Path) -> None:
    data = load("csv", machines(tmp_path, samples=300), label="kind", joined=1.0)
    batch = next(data.epoch(np.random.default_rng(0)))
    assert batch.weights is not None
    changes = (batch.y.diff(dim=1) != 0).any(dim=1)
    assert changes.any()
    assert (batch.weights[:, 0] == 0).all()
    assert (batch.weights[:, -1] > 0).all()
