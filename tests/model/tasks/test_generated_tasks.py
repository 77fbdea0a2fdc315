"""Adding and frequency: what is drawn is what the paper describes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn import tasks
from skiprnn.tasks import Source
from skiprnn.tasks.adding import draw as draw_sums
from skiprnn.tasks.frequency import draw as draw_sines
from skiprnn.training import Plan, fit

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
    missed = 0.1  # ten points of the rate
    assert adding.metric.solved is not None
    assert adding.recipe.rate_weight * missed**2 < 0.5 * adding.metric.solved  # the loss is half the error


@given(seeds, st.sampled_from([1.0, 0.5]))
def test_sines_have_the_length_of_100_ms_and_both_classes_alike(seed: int, sampling: float) -> None:
    x, y, _, _ = draw_sines(np.random.default_rng(seed), 20, sampling=sampling)
    assert x.shape == (20, round(100 / sampling), 1)
    assert y.sum() == 10
    assert x.abs().max() <= 1


def test_the_classes_have_the_periods_of_the_paper() -> None:
    x, y, _, _ = draw_sines(
        np.random.default_rng(0), 400, sampling=0.1
    )  # fine enough to count zero crossings
    crossings = (x[:, 1:, 0].sign() != x[:, :-1, 0].sign()).sum(1)
    period = 2 * 100 / crossings
    middle = (period > 4.7) & (period < 6.4)  # a count is off by one at most
    assert middle[y == 0].all()
    assert middle[y == 1].float().mean() < 0.1


@pytest.mark.parametrize("name", ["adding", "frequency"])
def test_epochs_differ_and_judging_sequences_stay_and_are_never_trained_on(name: str) -> None:
    task = tasks.find(name)
    data = task.load(Source(None, task.recipe, 0, task.options))
    epochs = [next(data.epoch(np.random.default_rng((0, epoch)))) for epoch in (0, 0, 1)]
    assert torch.equal(epochs[0].x, epochs[1].x)
    assert not torch.equal(epochs[0].x, epochs[2].x)
    again = task.load(Source(None, task.recipe, 1, task.options))
    assert torch.equal(data.test[0].x, again.test[0].x)
    assert not torch.equal(data.test[0].x, data.validation[0].x)
    assert data.network["input_size"] == data.samples[0].shape[1]


@pytest.mark.parametrize(("name", "options"), [("adding", {"length": 5}), ("frequency", {"sampling": 0})])
def test_an_impossible_option_is_refused(name: str, options: dict[str, float]) -> None:
    task = tasks.find(name)
    with pytest.raises(ValueError, match="expected"):
        task.load(Source(None, task.recipe, 0, {**task.options, **options}))


def test_every_task_is_found_by_its_name_and_others_are_refused() -> None:
    for name in tasks.NAMES:
        assert tasks.find(name).name == name
    with pytest.raises(ValueError, match="task: expected one of adding"):
        tasks.find("guessing")


def test_adding_is_learned_in_less_than_a_minute_and_samples_are_skipped(tmp_path: Path) -> None:
    task = tasks.find("adding")
    recipe = task.recipe.changed({"cell": "gru", "hidden_size": 32, "learning_rate": 5e-3, "epochs": 14})
    figures = fit(Plan(task, recipe), tmp_path, progress_bar=False)
    guessing = 1 / 6  # the variance of the sums
    assert figures["mean_squared_error"] < guessing / 10
    assert figures["update_rate"] < 0.9
