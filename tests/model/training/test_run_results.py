"""The results of a run."""

import json
from pathlib import Path

import pytest

from skiprnn import SkipNetwork
from skiprnn.training.evaluation import evaluate
from support.training import short_experiment, train


def test_the_figures_are_those_of_the_saved_network(tmp_path: Path) -> None:
    results = train(tmp_path)
    experiment = short_experiment()
    found = evaluate(
        SkipNetwork.load(tmp_path), experiment.load().test, experiment.task.metric, experiment.recipe
    )
    assert results["accuracy"] == pytest.approx(found.metric)
    assert results["update_rate"] == pytest.approx(found.update_rate)
    assert json.loads((tmp_path / "training.json").read_text()) == results


def test_a_higher_threshold_updates_less_without_training(tmp_path: Path) -> None:
    thresholds = train(tmp_path)["thresholds"]
    assert thresholds[0]["threshold"] == 0.5
    assert thresholds[-1]["update_rate"] < thresholds[0]["update_rate"]
