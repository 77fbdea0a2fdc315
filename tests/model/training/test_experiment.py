"""The network that a training begins with."""

from pathlib import Path
from typing import Any

import pytest
import torch

from skiprnn.training import build
from skiprnn.training.baselines import scheduled_gates
from support.training import short_experiment, train, weights


def test_a_warm_start_begins_where_another_run_ended(tmp_path: Path) -> None:
    train(tmp_path / "cold")
    train(tmp_path / "warm", warm_start=tmp_path / "cold", learning_rate=1e-12, epochs=1)
    for one, other in zip(
        weights(tmp_path / "cold").values(), weights(tmp_path / "warm").values(), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="expected a network of the recipe's shape"):
        train(tmp_path / "larger", warm_start=tmp_path / "cold", hidden_size=9)


def test_an_option_that_the_task_does_not_have_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected options among \['unused'\], got \['fold'\]"):
        train(tmp_path, options={"fold": 1})
    assert not list(tmp_path.iterdir())


def test_a_gate_starts_as_periodic_where_the_recipe_says_so() -> None:
    for n in (1, 2, 5, 9):
        experiment = short_experiment(target_rate=1 / n, init_as_periodic=True)
        network = build(experiment, experiment.load())
        gates = network(torch.randn(3, 40, 2)).gates
        assert torch.equal(gates, scheduled_gates("uniform", 1 / n, 3, 40))


@pytest.mark.parametrize(
    "changes",
    [
        {"target_rate": 0.05},
        {"target_rate": 0.02, "cell": "lstm"},
        {"target_rate": 0.3, "start_rate": 0.15},
        {"target_rate": 0.05, "init_as_periodic": True},
        {"target_rate": 0.05, "threshold": 0.7},
        {"target_rate": 0.01, "max_skip": 9},
        {"target_rate": 0.5, "gate_init_scale": 0.0, "gate_bias": -2.0},
    ],
    ids=str,
)
def test_the_first_rate_is_the_one_that_the_gate_begins_with(changes: dict[str, Any]) -> None:
    experiment = short_experiment(**changes)
    gates = build(experiment, experiment.load())(torch.randn(2, 2001, 2)).gates
    assert gates[:, 1:].mean().item() == pytest.approx(experiment.recipe.first_rate, abs=1e-3)


def test_a_gate_of_no_scale_starts_with_the_period_of_its_bias() -> None:
    experiment = short_experiment(gate_init_scale=0.0, gate_bias=-1.0)  # σ(−1) = 0.27: every second sample
    gates = build(experiment, experiment.load())(torch.randn(3, 40, 2)).gates
    assert torch.equal(gates, scheduled_gates("uniform", 1 / 2, 3, 40))
