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
        ({"hidden_size": 0}, "hidden_size: expected at least 1, got 0"),
        ({"num_layers": 0}, "num_layers: expected at least 1"),
        ({"batch_size": -1}, "batch_size: expected at least 1"),
        ({"patience": 0}, "patience: expected at least 1"),
        ({"cell": "rnn"}, "cell: expected one of"),
        ({"dropout": 1.0}, r"dropout: expected a number in \[0, 1\)"),
        ({"label_smoothing": -0.1}, r"label_smoothing: expected a number in \[0, 1\)"),
        ({"weight_decay": -1.0}, "weight_decay: expected ≥ 0"),
        ({"rate_dual_step": -1.0}, "rate_dual_step: expected ≥ 0"),
        ({"rate_penalty": 0.0}, "rate_penalty: expected a positive number"),
        ({"start_rate": 0.0}, r"start_rate: expected a share of the samples in \(0, 1\], got 0.0"),
        ({"start_rate": 1.5}, "start_rate: expected a share"),
        ({"target_rate": 0.5, "start_rate": 0.5, "init_as_periodic": True}, "expected one of them, got both"),
        ({"gate_bias": float("nan")}, "gate_bias: expected a number, got nan"),
        ({"clip": float("inf")}, "clip: expected a number, got inf"),
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
        ({"learning_rate_schedule": "linear"}, "learning_rate_schedule: expected one of"),
        ({"keep": "first"}, "keep: expected one of"),
        ({"max_skip": 16_384}, "max_skip: expected 1 to 16383"),
        ({"threshold": 0.4}, "threshold: expected a number"),
        ({"speed": 1}, r"expected names among .* got \['speed'\]"),
    ],
)
def test_what_contradicts_itself_raises_an_error(changes: dict[str, Any], message: str) -> None:
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


@pytest.mark.parametrize(
    ("fields", "first_rate", "ramp"),
    [
        ({"target_rate": 0.25}, 1, 0),
        ({"target_rate": 0.05}, 1 / 4, 0.6),
        ({"target_rate": 0.02}, 1 / 10, 0.6),
        ({"target_rate": 0.005}, 1 / 40, 0.6),
        ({"target_rate": 0.05, "ramp": 0.3}, 1 / 4, 0.3),
        ({"target_rate": 0.05, "start_rate": 0.5}, 1 / 2, 0.6),
        ({"target_rate": 0.25, "start_rate": 1.0}, 1, 0.6),
        ({"lambda_": 1e-4, "start_rate": 0.2}, 1 / 5, 0.6),
        ({"target_rate": 0.05, "ramp": 0.5, "init_as_periodic": True}, 1 / 20, 0.5),
        ({"target_rate": 0.5, "init_as_periodic": True}, 1 / 2, 0),
        ({"target_rate": 0.05, "gate_init_scale": 0.0, "gate_bias": -2.0}, 1 / 5, 0),
        ({"target_rate": 0.05, "gate_init_scale": 0.0}, 1 / 4, 0.6),
        ({"target_rate": 0.005, "max_skip": 19}, 1 / 20, 0.6),
        ({"target_rate": 0.05, "threshold": 0.8}, 1 / 4, 0.6),
    ],
)
def test_a_small_rate_begins_as_a_schedule_at_five_times_it(
    fields: dict[str, Any], first_rate: float, ramp: float
) -> None:
    recipe = Recipe(**fields)
    assert recipe.first_rate == pytest.approx(first_rate)
    assert recipe.ramp_share == ramp


@pytest.mark.parametrize("name", ["rate_weight", "dual_step_size", "rate_gain"])
def test_a_weight_of_the_absolute_error_is_an_error_that_gives_the_relative_one(name: str) -> None:
    for make in (lambda fields: Recipe(**fields), Recipe().changed):
        with pytest.raises(
            ValueError, match=rf"{name}: expected rate_.* times target_rate²; got {name}=10.0"
        ):
            make({"target_rate": 0.25, name: 10.0})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"gate_scale": 0.5}, {"gate_init_scale": 0.5}),
        ({"budget": 1e-3}, {"lambda_": 1e-3}),
        ({"rate": 0.25, "clock_start": True}, {"target_rate": 0.25, "init_as_periodic": True}),
        (
            {"rate": 0.5, "cadence": "random", "schedule": "cosine"},
            {"target_rate": 0.5, "schedule": "random", "learning_rate_schedule": "cosine"},
        ),
    ],
)
def test_old_names_set_the_new_fields_with_a_warning(old: dict[str, Any], new: dict[str, Any]) -> None:
    for make in (lambda fields: Recipe(**fields), Recipe().changed):
        with pytest.warns(DeprecationWarning, match=r"Recipe\.\w+ is now Recipe\.\w+") as caught:
            assert make(old) == Recipe(**new)
        assert {warning.filename for warning in caught} == {__file__}


def test_a_new_name_wins_over_an_old_one() -> None:
    uniform = Recipe(target_rate=0.5, schedule="uniform")
    with pytest.warns(DeprecationWarning, match=r"Recipe\.rate is now Recipe\.target_rate"):
        assert Recipe(target_rate=0.5, rate=0.2) == Recipe(target_rate=0.5)  # type: ignore[call-arg]
    with pytest.warns(DeprecationWarning, match=r"Recipe\.cadence is now Recipe\.schedule"):
        assert uniform.changed({"schedule": "uniform", "cadence": "random"}) == uniform


def test_a_schedule_has_the_whole_period_that_is_nearest_to_its_rate() -> None:
    periods = [Recipe(target_rate=rate, schedule="uniform").period for rate in (1, 0.67, 0.4, 0.37, 0.3, 0.1)]
    assert periods == [1, 2, 3, 3, 3, 10]
    assert Recipe(target_rate=0.1).period is None


def test_a_schedule_waits_no_longer_than_the_cap_allows() -> None:
    assert Recipe(target_rate=1 / 8, schedule="uniform", max_skip=7).period == 8
    for schedule in ("uniform", "random"):
        with pytest.raises(
            ValueError, match=r"target_rate: expected 1/8 at least, for max_skip is 7, got 0\.1"
        ):
            Recipe(target_rate=0.1, schedule=schedule, max_skip=7)
    assert Recipe(target_rate=0.1, max_skip=7)  # a learned gate cannot reach it, and says what it reached


def test_old_names_give_the_new_fields_with_a_warning() -> None:
    recipe = Recipe(lambda_=1e-3)
    with pytest.warns(DeprecationWarning, match=r"Recipe\.budget is now Recipe\.lambda_"):
        assert recipe.budget == 1e-3  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="'Recipe' object has no attribute 'speed'"):
        _ = recipe.speed  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": "abc"}, "epochs: expected a whole number, got 'abc'"),
        ({"hidden_size": 4.5}, "hidden_size: expected a whole number, got 4.5"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number, got 'fast'"),
        ({"target_rate": True}, "target_rate: expected a number, got True"),
        ({"every_step": 1}, "every_step: expected true or false, got 1"),
        ({"dropout": None}, "dropout: expected a number, got None"),
    ],
)
def test_a_value_of_another_type_is_an_error(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe().changed(changes)
