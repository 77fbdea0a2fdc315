"""The target of the update rate during the training."""

import pytest

from skiprnn.recipe import Recipe
from skiprnn.training.objective import target_rate


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
