"""Training: it learns, repeats itself, and resumes to the same bits."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skiprnn import SkipNetwork
from skiprnn.data.types import Batch
from skiprnn.tasks import Data, Source
from skiprnn.training import Experiment, fit
from skiprnn.training.baselines import scheduled_gates
from skiprnn.training.evaluation import evaluate
from skiprnn.training.run_folder import RunFolder
from support.training import FIRST_SAMPLE, short_experiment, train, weights


def same_weights(run: Path, other: Path) -> bool:
    pairs = zip(weights(run).values(), weights(other).values(), strict=True)
    return all(torch.equal(one, another) for one, another in pairs)


def test_it_learns_what_it_is_shown(tmp_path: Path) -> None:
    results = train(tmp_path / "run", epochs=4)
    assert results["accuracy"] > 0.95
    assert results["solved"] is True
    assert results["warning"] is None


def test_a_run_repeats_itself_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        train(tmp_path / name, seed=seed, dropout=0.2, epochs=1)
    assert same_weights(tmp_path / "one", tmp_path / "same")
    assert not same_weights(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize(
    "objective",
    [
        {"lambda_": 1e-3},
        {"target_rate": 0.4, "ramp": 0.5, "learning_rate_schedule": "cosine"},
        {"target_rate": 0.09},
    ],
    ids=["lambda", "rate", "small rate"],
)
def test_a_resumed_run_ends_as_one_that_was_never_interrupted(
    tmp_path: Path, objective: dict[str, Any]
) -> None:
    changes: dict[str, Any] = {"dropout": 0.2, "clip_ratio": 0.5, "epochs": 5} | objective
    train(tmp_path / "whole", **changes)
    with pytest.raises(RuntimeError, match="the power fails"):
        fit(_failing_after(3, short_experiment(**changes)), tmp_path / "halted", progress_bar=False)
    before = [line["epoch"] for line in RunFolder(tmp_path / "halted").read_history()]
    train(tmp_path / "halted", resume=True, **changes)
    assert same_weights(tmp_path / "whole", tmp_path / "halted")
    history = RunFolder(tmp_path / "halted").read_history()
    assert history == RunFolder(tmp_path / "whole").read_history()
    assert [line["epoch"] for line in history] == [0, 1, 2, 3, 4]
    assert before == [0, 1, 2]


def _failing_after(epochs: int, experiment: Experiment) -> Experiment:
    """It fails while it draws the batches of the next epoch."""

    def load(source: Source) -> Data:
        data, drawn = experiment.task.load(source), itertools.count()

        def epoch(rng: np.random.Generator) -> Iterator[Batch]:
            if next(drawn) == epochs:
                raise RuntimeError("the power fails")
            yield from data.epoch(rng)

        return dataclasses.replace(data, epoch=epoch)

    return dataclasses.replace(experiment, task=dataclasses.replace(experiment.task, load=load))


def test_a_finished_run_resumes_to_itself(tmp_path: Path) -> None:
    first = train(tmp_path)
    again = train(tmp_path, resume=True)
    assert first == again


def test_the_best_network_is_saved_where_the_recipe_says_so(tmp_path: Path) -> None:
    # A learning rate that spoils what the first epoch learned.
    train(tmp_path, keep="best", epochs=2, learning_rate=0.2)
    history = RunFolder(tmp_path).read_history()
    best = min(history, key=lambda line: line["objective"])
    plan = short_experiment()
    found = evaluate(SkipNetwork.load(tmp_path), plan.load().validation, plan.task.metric, plan.recipe)
    assert found.loss == pytest.approx(best["loss"])
    assert best["epoch"] < history[-1]["epoch"]


def test_the_last_epoch_is_resumed_though_an_earlier_one_was_better(tmp_path: Path) -> None:
    """As in the test above, the second epoch spoils what the first one learned."""
    train(tmp_path, epochs=2, learning_rate=0.2)
    checkpoints = [
        torch.load(tmp_path / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("best", "last")
    ]
    assert [checkpoint["epoch"] for checkpoint in checkpoints] == [0, 1]


def test_a_rate_is_calibrated_unless_the_recipe_says_otherwise(tmp_path: Path) -> None:
    rate: dict[str, Any] = {"target_rate": 0.4, "ramp": 0.5, "epochs": 3}
    results = train(tmp_path / "calibrated", **rate)
    as_trained = train(tmp_path / "as-trained", **rate, calibrate_rate=False)
    assert results["update_rate"] == pytest.approx(0.4, rel=0.05)
    assert as_trained["calibration"] is None
    assert as_trained["update_rate"] == pytest.approx(results["calibration"]["trained_rate"], rel=0.05)
    one, other = weights(tmp_path / "calibrated"), weights(tmp_path / "as-trained")
    changed = {name for name in one if not torch.equal(one[name], other[name])}
    assert changed == {"rnn.gate.bias"}


@pytest.mark.parametrize(
    "objective", [{"lambda_": 1e-3}, {"target_rate": 0.5, "schedule": "uniform"}], ids=["lambda", "schedule"]
)
def test_what_asks_for_no_rate_of_a_learned_gate_is_not_calibrated(
    tmp_path: Path, objective: dict[str, Any]
) -> None:
    assert train(tmp_path, epochs=1, **objective)["calibration"] is None


def test_it_stops_when_nothing_gets_better(tmp_path: Path) -> None:
    results = train(tmp_path, epochs=9, patience=1, learning_rate=1e-12)
    assert results["epochs"] < 9


@pytest.mark.parametrize("schedule", ["uniform", "random"])
def test_a_baseline_updates_at_its_rate(tmp_path: Path, schedule: str) -> None:
    results = train(tmp_path, schedule=schedule, target_rate=0.5, epochs=1)
    assert results["update_rate"] == pytest.approx(0.5, abs=0.06)  # the first sample always updates
    assert "thresholds" not in results


@pytest.mark.parametrize("schedule", ["uniform", "random"])
def test_a_baseline_is_saved_with_the_constant_gate_of_its_rate(tmp_path: Path, schedule: str) -> None:
    train(tmp_path, schedule=schedule, target_rate=0.3, epochs=1)
    network = SkipNetwork.load(tmp_path)
    gates = network(torch.randn(2, 30, 2)).gates
    assert network.config.period == 3
    assert torch.equal(gates, scheduled_gates("uniform", 1 / 3, 2, 30))


def test_data_that_was_loaded_before_is_not_loaded_again(tmp_path: Path) -> None:
    loads = list[Source]()

    def load(source: Source) -> Data:
        loads.append(source)
        return FIRST_SAMPLE.load(source)

    task = dataclasses.replace(FIRST_SAMPLE, load=load)
    experiment = dataclasses.replace(short_experiment(epochs=1), task=task)
    results = [fit(experiment, tmp_path / "a", progress_bar=False, data=experiment.load())]
    assert len(loads) == 1
    results.append(fit(experiment, tmp_path / "b", progress_bar=False))
    assert results[0]["accuracy"] == results[1]["accuracy"]


@pytest.mark.parametrize("size", [0, 100, -500])
def test_a_checkpoint_that_is_cut_short_is_named_in_one_line(tmp_path: Path, size: int) -> None:
    train(tmp_path, epochs=1)
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"last\.ckpt: expected a checkpoint, found .*; remove it") as caught:
        train(tmp_path, epochs=2, resume=True)
    assert "\n" not in str(caught.value)
    last.unlink()
    assert train(tmp_path, epochs=2, resume=True)["epochs"] == 2
