"""One objective: the gate's own learning rate, the target rate, the cost of updates."""

from pathlib import Path

import pytest
import torch

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
