"""What is wanted of the gate while it trains."""

import pytest

from skiprnn.recipe import Recipe
from skiprnn.training.objective import wanted_rate


def test_the_wanted_rate_goes_from_what_the_gate_begins_with_to_the_recipes() -> None:
    reads_all = Recipe(rate=0.2, ramp=0.5)
    reads_half = reads_all.changed({"gate_scale": 0.0, "gate_bias": -1.0})
    assert [wanted_rate(reads_all, at) for at in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1, 0.6, 0.2, 0.2])
    assert [wanted_rate(reads_half, at) for at in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(
        [0.5, 0.35, 0.2, 0.2]
    )


def test_without_a_ramp_the_rate_is_wanted_from_the_start() -> None:
    assert wanted_rate(Recipe(rate=0.2), 0.0) == pytest.approx(0.2)
