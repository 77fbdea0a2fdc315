"""A training whose loss is not finite ends, and says where and what to try."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.recipe import Recipe
from skiprnn.training import TrainingDivergedError
from skiprnn.training.divergence import check_batches, check_validation
from skiprnn.training.run_folder import RunFolder
from support.training import train

BAD = st.sampled_from([math.nan, math.inf, -math.inf])
FINITE = st.floats(-(2.0**100), 2.0**100, width=32)


def test_a_training_that_diverges_ends_in_the_epoch_in_which_it_does(tmp_path: Path) -> None:
    with pytest.raises(TrainingDivergedError) as caught:
        train(tmp_path, epochs=9, learning_rate=1e30)
    assert str(caught.value).startswith("epoch 1 of 9: expected a finite training loss in batch 2 of ")
    assert "got nan; try a learning_rate below 1e+30 or a clip below 1," in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "training.json").exists()
    assert not RunFolder(tmp_path).read_history()


@given(st.lists(FINITE, max_size=5), BAD, st.lists(st.one_of(FINITE, BAD), max_size=5))
def test_the_first_loss_that_is_not_finite_is_named(
    before: list[float], bad: float, after: list[float]
) -> None:
    losses = [torch.tensor(loss) for loss in (*before, bad, *after)]
    with pytest.raises(
        TrainingDivergedError,
        match=rf"epoch 3 of 7: .* in batch {len(before) + 1} of {len(losses)}, got {bad};",
    ):
        check_batches(losses, 2, Recipe(epochs=7))


@given(st.lists(FINITE, min_size=1))
def test_finite_losses_pass(losses: list[float]) -> None:
    check_batches([torch.tensor(loss) for loss in losses], 0, Recipe())
    check_validation(losses[0], 0, Recipe())


@given(BAD)
def test_a_validation_loss_that_is_not_finite_is_named(bad: float) -> None:
    with pytest.raises(
        TrainingDivergedError, match=f"epoch 1 of 7: expected a finite validation loss, got {bad};"
    ):
        check_validation(bad, 0, Recipe(epochs=7))
