"""Recipes: what contradicts itself raises an error; schedules begin and end where they should."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.recipe import Recipe, learning_rate_factor


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1"),
        ({"learning_rate": 0.0}, "learning_rate: expected a positive"),
        ({"target_rate": 0.0}, "target_rate: expected a share"),
        ({"target_rate": 1.1}, "target_rate: expected a share"),
        ({"lambda_": -1.0}, "lambda_, ramp: expected"),
        ({"gate_init_scale": -1.0}, "gate_init_scale: expected ≥ 0"),
        ({"ramp": 2.0}, "lambda_, ramp: expected"),
        ({"init_as_periodic": True}, "init_as_periodic: expected a target_rate"),
        ({"lambda_": 1e-4, "target_rate": 0.5}, "expected one of them"),
        ({"schedule": "uniform"}, "schedule: expected one of"),
        ({"schedule": "often", "target_rate": 0.5}, "schedule: expected one of"),
        ({"speed": 1}, r"expected names among .* got \['speed'\]"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe().changed(changes)


@given(st.floats(0, 1))
def test_the_learning_rate_stays_within_its_bounds(progress: float) -> None:
    assert learning_rate_factor(Recipe(), progress) == 1
    assert 0 <= learning_rate_factor(Recipe(learning_rate_schedule="cosine"), progress) <= 1


def test_the_cosine_schedule_rises_then_falls_to_nothing() -> None:
    recipe = Recipe(learning_rate_schedule="cosine")
    start, top, end = (learning_rate_factor(recipe, progress) for progress in (0.0, 0.1, 1.0))
    assert 0 < start < 0.05
    assert top == pytest.approx(1)
    assert end == pytest.approx(0)


@pytest.mark.parametrize(("gate_bias", "samples"), [(1.0, 1), (-1.0, 2), (-1.5, 3), (-2.0, 5)])
def test_a_gate_of_no_scale_begins_with_every_nth_sample(gate_bias: float, samples: int) -> None:
    assert Recipe(gate_init_scale=0.0, gate_bias=gate_bias).first_rate == 1 / samples
    assert Recipe(gate_bias=gate_bias).first_rate == 1
