"""Which networks are compared: every kind of gate at every update rate, with every seed."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from skiprnn.data.types import Data
from skiprnn.recipe import Recipe
from skiprnn.training.experiment import Experiment, build
from skiprnn.training.run_folder import RunFolder

Kind = Literal["every sample", "learned", "uniform", "random"]

SET_BY_PLAN = ("target_rate", "lambda_", "schedule", "patience")  # fields of a recipe


@dataclasses.dataclass(frozen=True)
class Setting:
    """What decides when a network updates.

    Attributes:
        rate: the update rate that is asked for, in (0, 1]; 1 at every sample alone.
    """

    kind: Kind
    rate: float

    def __str__(self) -> str:
        return self.kind if self.kind == "every sample" else f"{self.kind} at {100 * self.rate:g} %"

    @property
    def folder(self) -> str:
        """The beginning of the names of its runs' folders."""
        return "every-sample" if self.kind == "every sample" else f"{self.kind}-{self.rate:g}"

    def recipe(self, base: Recipe) -> Recipe:
        """The recipe of a run. All runs of a comparison train equally long.

        Raises:
            ValueError: a rate so low that no gate of the recipe's max_skip waits so long.
        """
        schedule = {"learned": None, "every sample": "uniform"}.get(self.kind, self.kind)
        objective = {"target_rate": self.rate, "lambda_": 0.0, "schedule": schedule, "patience": None}
        return base.changed(objective)


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One network to train, and the folder that it is trained into."""

    setting: Setting
    experiment: Experiment
    folder: Path

    def __str__(self) -> str:
        return f"{self.setting}, seed {self.seed}"

    @property
    def seed(self) -> int:
        """Of weights, data and dropout."""
        return self.experiment.seed

    @property
    def epochs(self) -> int:
        """How many are trained."""
        return self.experiment.recipe.epochs

    def results(self) -> dict[str, Any] | None:
        """What training wrote; None: it has not finished."""
        return RunFolder(self.folder).finished(self.epochs)

    def epochs_done(self) -> int:
        """How many epochs are over so far."""
        return len(RunFolder(self.folder).read_history())


def plan(base: Experiment, rates: Sequence[float], *, seeds: int, out: Path) -> list[Run]:
    """All runs, seed after seed.

    Args:
        base: the experiment, but for its seed and its gate.
        rates: update rates in (0, 1).
        seeds: how many; they are 0, 1, …
        out: a folder, which gets one for each run.

    Raises:
        ValueError: rates or seeds out of range, or a rate that no schedule of the recipe can have.
    """
    if seeds < 1:
        raise ValueError(f"seeds: expected at least 1, got {seeds}")
    if not rates or not all(0 < rate < 1 for rate in rates):
        raise ValueError(f"update rates: expected shares of the samples in (0, 1), got {list(rates)}")
    return [
        Run(
            setting,
            dataclasses.replace(base, seed=seed, recipe=setting.recipe(base.recipe)),
            out / f"{setting.folder}-seed-{seed}",
        )
        for seed in range(seeds)
        for setting in _settings(rates, base.recipe)
    ]


def _settings(rates: Sequence[float], base: Recipe) -> list[Setting]:
    """Rates to which one uniform schedule is the nearest share it."""
    uniform = {1: Setting("every sample", 1.0)}
    found = list(uniform.values())
    for rate in sorted(set(rates)):
        found += [Setting("learned", rate), Setting("random", rate)]
        period = Setting("uniform", rate).recipe(base).period
        if period is not None and period not in uniform:
            uniform[period] = Setting("uniform", rate)
            found.append(uniform[period])
    return found


def prepare(runs: Sequence[Run]) -> Data:
    """Check all runs before the first is trained; return the data of the first seed.

    Raises:
        ValueError: an option is out of range, or a folder holds another run than the one planned.
        FileNotFoundError, DownloadError: data that is not there.
    """
    for run in runs:
        _check_folder(run)
    data = runs[0].experiment.load()
    build(runs[0].experiment, data)
    for run in runs:
        if run.seed == runs[0].seed:
            _folder_check(run, data)
    return data


def _check_folder(run: Run) -> None:
    _folder_check(run, None)
    begun = RunFolder(run.folder)
    if begun.recipe.is_file() and (epochs := begun.read_recipe().epochs) != run.epochs:
        raise ValueError(
            f"{run.folder}: expected {run.epochs} epochs, as all runs of a comparison have, found a run of {epochs}; "
            "give the same --epochs as before, or choose another --out"
        )


def _folder_check(run: Run, data: Data | None) -> None:
    identity, recordings = run.experiment.identity(), None if data is None else data.recordings
    RunFolder(run.folder).check(run.experiment.recipe, identity, resume=True, recordings=recordings)
