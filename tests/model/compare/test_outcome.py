"""What a run gave: figures on whole recordings where the task has some, of alarms where it has events."""

import json
from pathlib import Path

import pytest

from skiprnn import tasks
from skiprnn.compare.outcome import Outcome, outcome_of
from skiprnn.compare.plan import Run, plan
from skiprnn.compare.report import write_report
from skiprnn.compare.table import tabulate
from skiprnn.compare.verdict import judge
from skiprnn.training import Experiment, fit
from skiprnn.training.experiment import measure_of
from support.events import event_task
from support.recordings import machines
from support.training import short_experiment


def trained(base: Experiment, rate: float, out: Path) -> list[Run]:
    runs = plan(base, [rate], seeds=1, out=out)
    for run in runs:
        fit(run.experiment, run.folder, progress_bar=False)
    return runs


def found(run: Run) -> Outcome:
    results = run.results()
    assert results is not None
    return outcome_of(run, results)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """On recordings of 200 samples, in windows of 60."""
    folder, task = tmp_path_factory.mktemp("recordings"), tasks.find("recordings")
    recipe = task.recipe.changed({"epochs": 1, "hidden_size": 4, "batch_size": 8})
    options = {"label": "kind", "window": 60}
    base = Experiment(task, recipe, 0, machines(folder / "data", samples=200), options)
    return trained(base, 1 / 7, folder / "runs")


@pytest.mark.parametrize(("kind", "updates"), [("uniform", 29), ("every sample", 200)])
def test_a_schedule_has_the_rate_of_whole_recordings(recordings: list[Run], kind: str, updates: int) -> None:
    """Every seventh of 200 samples, from the first on; of a window's 60 it would be 15 %."""
    (run,) = (run for run in recordings if run.setting.kind == kind)
    assert found(run).update_rate == pytest.approx(updates / 200)


def test_value_and_rate_are_those_of_whole_recordings(recordings: list[Run]) -> None:
    for run in recordings:
        report = json.loads((run.folder / "report.json").read_text())
        outcome = found(run)
        assert outcome.is_whole
        assert outcome.value == report["recordings"]["balanced_accuracy"]
        assert outcome.update_rate == pytest.approx(report["update_rate"]["mean"])


def test_without_recordings_they_are_those_of_the_test_sequences(tmp_path: Path) -> None:
    (run, *_) = plan(short_experiment(epochs=1), [0.5], seeds=1, out=tmp_path)
    results = fit(run.experiment, run.folder, progress_bar=False)
    assert found(run) == Outcome("accuracy", results["accuracy"], results["update_rate"])


def test_events_are_compared_by_the_alarms_on_whole_streams(tmp_path: Path) -> None:
    task = event_task()
    base = Experiment(task, task.recipe.changed({"epochs": 1}))
    runs = trained(base, 0.5, tmp_path)
    table = tabulate(runs, measure_of(base, base.load()))
    assert table.cells()[0][3:5] == ["F1, %", "false alarms per hour"]
    for row, run in zip(table.rows, sorted(runs, key=lambda run: "elur".index(str(run)[0])), strict=True):
        results = run.results()
        assert results is not None
        assert row.values == {0: results["f1"]}
        assert row.rates == {0: results["update_rate"]}
        assert row.others == {"false_alarms_per_hour": {0: results["false_alarms_per_hour"]}}
    verdict = judge(table)
    write_report(tmp_path, runs, table, verdict, {})
    facts = json.loads((tmp_path / "results.json").read_text())
    assert (facts["metric"], facts["measured_on"]) == ("f1", "whole recordings")
    assert facts["rows"][0]["false_alarms_per_hour"] >= 0
    assert "All figures are those on whole held-out recordings." in (tmp_path / "table.md").read_text()
    assert (tmp_path / "results.csv").read_text().splitlines()[0].endswith("folder,f1,false_alarms_per_hour")
