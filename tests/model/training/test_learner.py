"""One objective: the gate's own learning rate, the target rate, the cost of updates."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skiprnn.training import Experiment, Learner, build
from skiprnn.training.run_folder import RunFolder
from support.events import event_task
from support.training import train, weights


def test_a_target_rate_is_met_within_three_points(tmp_path: Path) -> None:
    results = train(tmp_path, epochs=8, target_rate=0.4, ramp=0.5)
    assert results["update_rate"] == pytest.approx(0.4, abs=0.03)
    assert results["accuracy"] > 0.95


def test_a_cost_per_update_makes_it_update_less(tmp_path: Path) -> None:
    free, dear = (train(tmp_path / str(cost), epochs=3, lambda_=cost) for cost in (0.0, 0.05))
    assert dear["updates"] < free["updates"]


def test_only_the_gate_moves_faster_with_its_own_learning_rate(tmp_path: Path) -> None:
    train(tmp_path / "slow", epochs=1, learning_rate=1e-9)
    train(tmp_path / "gate", epochs=1, learning_rate=1e-9, gate_learning_rate=1e6)
    slow, gate = weights(tmp_path / "slow"), weights(tmp_path / "gate")
    moved = {name for name in slow if not torch.allclose(slow[name], gate[name], atol=1e-5)}
    assert moved == {"rnn.gate.weight", "rnn.gate.bias"}


def test_a_batch_that_continues_goes_on_from_the_state_before(tmp_path: Path) -> None:
    """No gradient flows back into the batch before."""
    task = event_task(carried=2)
    experiment = Experiment(task, task.recipe)
    data = experiment.load()
    network = build(experiment, data)
    learner = Learner(network, experiment, data, RunFolder(tmp_path))
    first, second, third = list(data.epoch(np.random.default_rng(0)))[:3]
    learner(first)
    carried = learner(second)
    carried.logits.sum().backward()
    state = network(first.x).state.detach()
    assert torch.equal(carried.logits, network(second.x, state=state).logits)
    assert network.rnn.h0.grad is None
    assert torch.equal(learner(third).logits, network(third.x).logits)
