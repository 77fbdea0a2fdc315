"""The loss of every kind of target, and the target of the update rate during the training."""

from typing import Any

import pytest
import torch

from skiprnn import SkipNetwork
from skiprnn.data.types import Batch
from skiprnn.recipe import Recipe
from skiprnn.training.objective import target_rate, task_loss
from support.networks import small_network

KINDS: dict[str, dict[str, Any]] = {
    "class a sample": {"task": "step_classification"},
    "labels a sample": {"task": "step_classification", "multi_label": True},
    "values a sample": {"task": "step_regression"},
}


def test_the_target_rate_goes_from_the_gates_first_rate_to_the_recipes() -> None:
    every_sample = Recipe(target_rate=0.2, ramp=0.5)
    every_second = every_sample.changed({"gate_init_scale": 0.0, "gate_bias": -1.0})
    assert [target_rate(every_sample, at) for at in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(
        [1, 0.6, 0.2, 0.2]
    )
    assert [target_rate(every_second, at) for at in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(
        [0.5, 0.35, 0.2, 0.2]
    )


def test_the_ramp_of_a_periodic_start_begins_where_the_gate_does() -> None:
    periodic = Recipe(target_rate=0.05, ramp=0.5, init_as_periodic=True)
    assert [target_rate(periodic, at) for at in (0.0, 0.25, 1.0)] == pytest.approx([0.05] * 3)
    falling = Recipe(target_rate=0.05)
    assert [target_rate(falling, at) for at in (0.0, 0.3, 0.6, 1.0)] == pytest.approx(
        [0.25, 0.15, 0.05, 0.05]
    )


def test_without_a_ramp_the_rate_is_the_target_from_the_start() -> None:
    assert target_rate(Recipe(target_rate=0.2), 0.0) == pytest.approx(0.2)


def targets(network: SkipNetwork, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if network.config.is_one_class:
        return torch.randint(0, 2, shape, generator=generator)
    return torch.randint(0, 2, (*shape, 2), generator=generator).float()


@pytest.mark.parametrize("kind", KINDS)
def test_samples_without_a_weight_do_not_count(kind: str) -> None:
    network = small_network(**KINDS[kind])
    x, logits = torch.randn(4, 6, 3), torch.randn(4, 6, 2)
    y, weights = targets(network, 4, 6), torch.ones(4, 6)
    weights[:, 3:] = 0
    loss = task_loss(network, logits, Batch(x, y, weights=weights))
    expected = task_loss(network, logits[:, :3], Batch(x[:, :3], y[:, :3]))
    torch.testing.assert_close(loss, expected)
    assert torch.isfinite(task_loss(network, logits, Batch(x, y, weights=0 * weights)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_of_a_sequence_is_that_of_each_of_its_samples(kind: str) -> None:
    network = small_network(**KINDS[kind])
    x, logits, y = torch.randn(4, 6, 3), torch.randn(4, 6, 2), targets(small_network(**KINDS[kind]), 4)
    every = y.unsqueeze(1).expand(4, 6, *y.shape[1:])
    torch.testing.assert_close(
        task_loss(network, logits, Batch(x, y)), task_loss(network, logits, Batch(x, every))
    )


@pytest.mark.parametrize("task", ["sequence_regression", "step_regression"])
def test_the_loss_of_values_is_half_the_mean_squared_error_in_normalised_units(task: str) -> None:
    network = small_network(task=task)
    network.output_mean.copy_(torch.tensor([100.0, -1.0]))
    network.output_std.copy_(torch.tensor([50.0, 0.1]))
    shape = (4, 6) if task == "step_regression" else (4,)
    logits, y = torch.randn(*shape, 2), torch.randn(*shape, 2)
    expected = 0.5 * ((logits - (y - network.output_mean) / network.output_std) ** 2).mean()
    torch.testing.assert_close(task_loss(network, logits, Batch(torch.randn(4, 6, 3), y)), expected)
