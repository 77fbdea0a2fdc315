"""Which runs a comparison has, and that all are checked before the first is trained."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from skiprnn.compare.plan import Run, plan, prepare
from support.training import short_experiment, train


def planned(out: Path, *rates: float, seeds: int = 1, **changes: object) -> list[Run]:
    return plan(short_experiment(**changes), rates, seeds=seeds, out=out)


def test_every_kind_is_trained_at_every_rate_with_every_seed(tmp_path: Path) -> None:
    runs = planned(tmp_path, 0.5, 0.25, seeds=2)
    assert Counter(run.setting.kind for run in runs) == {
        "every sample": 2,
        "learned": 4,
        "uniform": 4,
        "random": 4,
    }
    assert [run.seed for run in runs] == [0] * 7 + [1] * 7
    assert len({run.folder for run in runs}) == len(runs)
    assert str(runs[0]) == "every sample, seed 0"


def test_all_runs_train_equally_long(tmp_path: Path) -> None:
    recipes = [run.experiment.recipe for run in planned(tmp_path, 0.5, patience=1, epochs=3, lambda_=1e-3)]
    assert {(recipe.epochs, recipe.patience, recipe.lambda_) for recipe in recipes} == {(3, None, 0.0)}


def test_rates_with_the_same_period_share_the_uniform_schedule(tmp_path: Path) -> None:
    uniform = [run for run in planned(tmp_path, 0.3, 0.35, 0.9) if run.setting.kind == "uniform"]
    assert [run.setting.rate for run in uniform] == [0.3]  # 0.9 is nearest to an update at every sample


@pytest.mark.parametrize("rates", [(), (0.0,), (1.0,), (0.5, -0.1)])
def test_rates_that_are_no_shares_are_rejected(tmp_path: Path, rates: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"update rates: expected shares of the samples in \(0, 1\)"):
        planned(tmp_path, *rates)


def test_a_rate_below_what_the_cap_allows_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="target_rate: expected 1/8 at least"):
        planned(tmp_path, 0.1, max_skip=7)


def test_preparing_writes_nothing(tmp_path: Path) -> None:
    data = prepare(planned(tmp_path / "out", 0.5))
    assert data.batches > 0
    assert not (tmp_path / "out").exists()


def test_a_folder_of_other_runs_is_rejected_before_training(tmp_path: Path) -> None:
    runs = planned(tmp_path, 0.5)
    train(runs[-1].folder, target_rate=0.5, schedule="uniform", hidden_size=4, lambda_=0.0)
    with pytest.raises(ValueError, match="hidden_size: was 4, now 8"):
        prepare(runs)


def test_runs_of_another_length_are_rejected(tmp_path: Path) -> None:
    runs = planned(tmp_path, 0.5)
    train(runs[-1].folder, target_rate=0.5, schedule="uniform", epochs=1)
    with pytest.raises(
        ValueError, match="expected 2 epochs, as all runs of a comparison have, found a run of 1"
    ):
        prepare(runs)


def test_a_network_that_cannot_be_built_is_rejected_before_training(tmp_path: Path) -> None:
    base = dataclasses.replace(short_experiment(), warm_start=tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a network directory"):
        prepare(plan(base, [0.5], seeds=1, out=tmp_path / "out"))
