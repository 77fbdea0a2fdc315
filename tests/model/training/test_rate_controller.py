"""The update rate is held at its target during the training."""

import dataclasses
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn import tasks
from skiprnn.data.download import DownloadError
from skiprnn.data.types import Batch, Data
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task
from skiprnn.training import Experiment, fit
from skiprnn.training.rate_controller import RateController
from support.recordings import machines

RATES = st.floats(0.005, 0.9)


def controller(target: float = 0.2, **changes: float) -> RateController:
    return RateController(Recipe(target_rate=target).changed(changes))


def gradient(made: RateController, rate: float, target: float) -> float:
    """∂ cost / ∂ r after many batches of this rate."""
    for _ in range(200):
        r = torch.tensor(rate, requires_grad=True)
        cost = made(r, target, r)
    (slope,) = torch.autograd.grad(cost, r)
    return float(slope)


@given(RATES, st.floats(0.5, 1.5))
def test_the_gradient_is_that_of_the_squared_relative_error(target: float, of_target: float) -> None:
    made = controller(target, rate_dual_step=0.0, rate_penalty=0.7)
    r = torch.tensor(of_target * target, requires_grad=True)
    (expected,) = torch.autograd.grad(0.7 * (r / target - 1) ** 2, r)
    assert gradient(made, of_target * target, target) == pytest.approx(
        expected.item(), rel=1e-3, abs=1e-4 / target
    )


@given(RATES, RATES, st.floats(0.5, 1.5))
def test_a_relative_error_costs_the_same_at_every_rate(one: float, other: float, of_target: float) -> None:
    costs = [rate * gradient(controller(rate), of_target * rate, rate) for rate in (one, other)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-3, abs=1e-5)


def test_the_multiplier_grows_while_the_rate_is_above_and_falls_while_it_is_below() -> None:
    made = controller(0.2, rate_dual_step=0.1)
    made(torch.tensor(0.3), 0.2, torch.tensor(0.3))
    assert made.multiplier.item() == pytest.approx(0.1 * 0.5)
    made(torch.tensor(0.1), 0.2, torch.tensor(0.1))
    assert made.multiplier.item() == pytest.approx(0, abs=1e-6)


def test_what_piled_up_while_the_target_fell_is_undone_in_the_time_of_the_limit() -> None:
    made = controller(0.01, rate_penalty=0.2, rate_dual_step=0.1)
    for _ in range(1000):
        made(torch.tensor(1.0), 0.01, torch.tensor(1.0))
    assert made.multiplier.item() == pytest.approx(2)
    for _ in range(40):
        made(torch.tensor(0.005), 0.01, torch.tensor(0.005))
    assert made.multiplier.item() == pytest.approx(0, abs=1e-4)


def test_noise_around_the_target_has_no_gradient_on_average() -> None:
    """The squared error of every batch would pull below the target a gate whose updates vary from batch to batch."""
    made, generator, slopes = controller(0.02, rate_dual_step=0.0), torch.Generator().manual_seed(0), []
    for _ in range(2000):
        log_delta_u = torch.zeros((), requires_grad=True)
        r = 0.02 * (1 + 0.3 * torch.randn((), generator=generator)) * log_delta_u.exp()
        slopes.append(torch.autograd.grad(made(r, 0.02, r), log_delta_u)[0])
    squared = 2 * 0.3**2  # E[∂ e² / ∂ log Δũ] = 2 · E[e · (1 + e)]
    assert abs(float(torch.stack(slopes).mean())) < 0.25 * squared


def test_the_bias_is_moved_against_the_error_in_the_last_part_alone() -> None:
    made, bias = controller(0.2), torch.nn.Parameter(torch.zeros(1))
    made.error.fill_(0.5)
    made.trim(bias, 0.5)
    assert bias.item() == 0
    made.trim(bias, 1.0)
    assert bias.item() < 0


def test_its_numbers_are_in_a_checkpoint(tmp_path: Path) -> None:
    made = controller()
    made(torch.tensor(0.3), 0.2, torch.tensor(0.3))
    other = controller()
    torch.save(made.state_dict(), tmp_path / "state")
    other.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert (other.multiplier, other.error) == (made.multiplier, made.error)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        *(("adding", rate) for rate in (0.25, 0.8)),
        *(("frequency", rate) for rate in (0.05, 0.5)),
        *(("digits", rate) for rate in (0.25, 0.8, 0.9)),
        *(("mnist", rate) for rate in (0.02, 0.05)),
        *(("watch", rate) for rate in (0.005, 0.02, 0.05, 0.9)),
        *(("recordings", rate) for rate in (0.005, 0.02)),
    ],
)
def test_a_rate_is_met_and_the_training_did_its_part(name: str, rate: float, tmp_path: Path) -> None:
    """The calibrated rate is met within a tenth on what was held out; the training alone comes within a factor of 3."""
    results = _short_run(name, machines(tmp_path / "recordings", samples=600), tmp_path / "run", rate)
    found = results["stream_update_rate"] or results["update_rate"]
    assert found == pytest.approx(rate, rel=0.1)
    assert results["calibration"]["rate"] == pytest.approx(rate, rel=0.02)
    assert rate / 3 < results["calibration"]["trained_rate"] < 3 * rate


def _short_run(name: str, folder: Path, out: Path, rate: float) -> dict[str, Any]:
    """Two hundred small batches with the settings of the task, but for a gate that learns as fast as the rest."""
    task = tasks.find(name)
    changes = {"hidden_size": 16, "epochs": 10, "batch_size": 32, "gate_learning_rate": 1.0}
    recipe = task.recipe.changed({"target_rate": rate, "lambda_": 0.0} | changes)
    options = {"recordings": {"label": "kind", "window": 120}}.get(name, {})
    try:
        return fit(Experiment(_small(task), recipe, 0, folder, options), out, progress_bar=False)
    except DownloadError as error:
        pytest.skip(f"the package cannot be downloaded here: {error}")


def _small(task: Task) -> Task:
    """Twenty batches an epoch, few sequences to evaluate on, every fourth pixel of an image of 784."""

    def fewer(batch: Batch) -> Batch:
        return batch._replace(x=batch.x[:, :: 4 if task.name == "mnist" else 1])

    def load(source: Source) -> Data:
        data = task.load(source)
        held_out = [fewer(batch) for batch in islice(data.test or data.validation, 4)]
        return dataclasses.replace(
            data,
            epoch=lambda rng: (fewer(batch) for batch in islice(data.epoch(rng), 20)),
            batches=min(20, data.batches),
            validation=held_out,
            test=(),
        )

    return dataclasses.replace(task, load=load)
