"""Table and files of finished runs."""

import csv
import json
from pathlib import Path

import pytest

from skiprnn.compare.plan import Run, plan
from skiprnn.compare.report import draw_front, write_report
from skiprnn.compare.table import Table, tabulate
from skiprnn.compare.verdict import judge
from skiprnn.metrics import Metric, mean_squared_error
from skiprnn.training import fit
from support.training import FIRST_SAMPLE, short_experiment


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """All but the last are trained."""
    planned = plan(short_experiment(epochs=1), [0.5], seeds=2, out=tmp_path_factory.mktemp("runs"))
    for run in planned[:-1]:
        fit(run.experiment, run.folder, progress_bar=False)
    return planned


@pytest.fixture
def table(runs: list[Run]) -> Table:
    return tabulate(runs, FIRST_SAMPLE.metric)


def test_a_row_has_mean_and_spread_over_its_seeds(runs: list[Run], table: Table) -> None:
    assert [row.setting.kind for row in table.rows] == ["every sample", "learned", "uniform", "random"]
    every, uniform = table.of("every sample")[0], table.of("uniform")[0]
    first = runs[0].results()
    assert first is not None
    assert every.values[0] == first["accuracy"]
    assert every.mean == pytest.approx((every.values[0] + every.values[1]) / 2)
    assert every.spread == pytest.approx(abs(every.values[0] - every.values[1]) / 2**0.5)
    assert (len(uniform.values), uniform.spread) == (1, None)
    assert every.reached == 1


def test_the_files_say_the_same(tmp_path: Path, runs: list[Run], table: Table) -> None:
    files = write_report(tmp_path, runs, table, judge(table), {runs[-1]: "killed"})
    assert all(file.stat().st_size for file in files)
    facts = json.loads((tmp_path / "results.json").read_text())
    assert [row["mean"] for row in facts["rows"]] == [row.mean for row in table.rows]
    assert facts["failed"] == [{"run": str(runs[-1]), "reason": "killed"}]
    assert facts["verdict"][-1] in (tmp_path / "table.md").read_text()
    lines = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [line["folder"] for line in lines] == [run.folder.name for run in runs[:-1]]
    assert float(lines[0]["accuracy"]) == table.rows[0].values[0]
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "front.svg").read_text()


def test_the_front_has_every_kind_at_the_rates_that_were_reached(table: Table) -> None:
    (axes,) = draw_front(table, "first-sample").axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["learned, target rate", "uniform schedule", "random schedule", "every sample"]
    learned = axes.containers[0].lines[0]  # type: ignore[attr-defined]
    assert learned.get_xydata().tolist() == [[table.of("learned")[0].reached, table.of("learned")[0].mean]]


def test_errors_are_shown_as_they_are_and_shares_in_percent() -> None:
    assert Table(FIRST_SAMPLE.metric, ()).shown(0.123) == "12.3"
    error = Metric("mean_squared_error", mean_squared_error, higher_is_better=False)
    assert Table(error, ()).shown(0.000123) == "0.000123"
