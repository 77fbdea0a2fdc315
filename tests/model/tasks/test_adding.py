"""The adding task: the samples are those that the paper describes, and it is learned."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn import tasks
from skiprnn.tasks.adding import draw as draw_sums
from skiprnn.training import Experiment, fit

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(10, 80))
def test_two_values_are_marked_early_and_late_and_their_sum_is_asked(seed: int, length: int) -> None:
    x, y, _, _ = draw_sums(np.random.default_rng(seed), 20, length=length)
    values, markers = x.unbind(2)
    assert x.shape == (20, length, 2)
    assert (markers[:, : length // 10].sum(1) == 1).all()
    assert (markers[:, length // 2 :].sum(1) == 1).all()
    assert (markers.sum(1) == 2).all()
    assert values.abs().max() <= 0.5
    torch.testing.assert_close(y[:, 0], (values * markers).sum(1))


def test_a_rate_of_the_adding_task_is_not_met_at_the_expense_of_solving_it() -> None:
    adding = tasks.find("adding")
    missed = 0.1 / 0.5  # ten points of a rate of a half
    assert adding.metric.solved is not None
    assert adding.recipe.rate_penalty * missed**2 < 0.5 * adding.metric.solved  # the loss is half the error


def test_adding_is_learned_in_less_than_a_minute_and_samples_are_skipped(tmp_path: Path) -> None:
    task = tasks.find("adding")
    recipe = task.recipe.changed({"cell": "gru", "hidden_size": 32, "learning_rate": 5e-3, "epochs": 14})
    results = fit(Experiment(task, recipe), tmp_path, progress_bar=False)
    guessing = 1 / 6  # the variance of the sums
    assert results["mean_squared_error"] < guessing / 10
    assert results["update_rate"] < 0.9
