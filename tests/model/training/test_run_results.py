"""The results of a run."""

import json
from pathlib import Path

import pytest

from skiprnn import SkipNetwork, tasks
from skiprnn.training import Experiment, fit
from skiprnn.training.evaluation import evaluate
from skiprnn.training.stream_rates import stream_update_rate
from support.recordings import machines
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


def test_the_rate_on_whole_recordings_is_that_of_the_held_out_ones(tmp_path: Path) -> None:
    task, options = tasks.find("recordings"), {"label": "kind", "window": 60}
    recipe = task.recipe.changed({"epochs": 1, "hidden_size": 4, "batch_size": 8})
    experiment = Experiment(task, recipe, 0, machines(tmp_path / "recordings", samples=200), options)
    results = fit(experiment, tmp_path / "run", progress_bar=False)
    network, streams = SkipNetwork.load(tmp_path / "run"), experiment.load().test_streams
    assert [len(x) for x in streams] == [200] * len(streams)
    assert results["stream_update_rate"] == stream_update_rate(network, streams)


def test_a_task_without_recordings_has_no_such_rate(tmp_path: Path) -> None:
    assert train(tmp_path, epochs=1)["stream_update_rate"] is None


def test_a_higher_threshold_updates_less_without_training(tmp_path: Path) -> None:
    thresholds = train(tmp_path)["thresholds"]
    assert thresholds[0]["threshold"] == 0.5
    assert thresholds[-1]["update_rate"] < thresholds[0]["update_rate"]


def test_a_random_schedule_is_evaluated_again_with_the_gate_that_is_served(tmp_path: Path) -> None:
    results = train(tmp_path, schedule="random", target_rate=0.3)
    served = results["served"]
    assert served["update_rate"] == pytest.approx(1 / 3)  # 4 of 12 samples
    assert 0 < served["accuracy"] <= 1
    assert (results["schedule"], results["period"]) == ("random", 3)


def test_the_gate_that_is_served_gives_the_figures_of_the_uniform_schedule(tmp_path: Path) -> None:
    results = train(tmp_path, schedule="uniform", target_rate=0.3)
    experiment = short_experiment()  # of a learned gate: the network's own decides
    found = evaluate(
        SkipNetwork.load(tmp_path), experiment.load().test, experiment.task.metric, experiment.recipe
    )
    assert (found.metric, found.update_rate) == (results["accuracy"], results["update_rate"])
    assert "served" not in results
