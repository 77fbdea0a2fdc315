"""`skiprnn report`: what `skiprnn train` printed, again."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from skiprnn_cli.report import report
from support.training import train


def run(folder: Path) -> Result:
    app = typer.Typer()
    app.command()(report)
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(folder)])


def made(folder: Path, **changes: Any) -> Path:
    """A run with a report of two classes."""
    row = {"name": "walk", "count": 3, "precision": None, "recall": 0.0, "f1": 0.5}
    found = {
        "kind": "one class a recording",
        "metric": "balanced_accuracy",
        "parts": {"held out": {"recordings": 6, "groups": 1, "samples": 1200}},
        "windows": {"balanced_accuracy": 0.25},
        "recordings": {"count": 6, "balanced_accuracy": 0.75},
        "outputs": [row, row | {"name": "run [bold]", "precision": 1.0}],
        "confusion": [[3, 0], [1, 2]],
        "groups": [{"name": "ann", "recordings": 6, "balanced_accuracy": 0.75}],
        "update_rate": {
            "mean": 0.25,
            "quartiles": [0.1, 0.2, 0.25, 0.3, 0.4],
            "lowest": {"name": "a.csv", "update_rate": 0.1},
            "highest": {"name": "b.csv", "update_rate": 0.4},
        },
        "notes": ["1 group is held out"],
    } | changes
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps(found))
    return folder


def test_every_figure_is_printed(tmp_path: Path) -> None:
    printed = run(made(tmp_path)).stdout
    for words in (
        "one class a recording; balanced accuracy 0.75 on 6 whole held-out recordings (0.25 on their windows)",
        "held out: 6 recordings, 1 group, 1,200 samples",
        "note: 1 group is held out",
    ):
        assert words in printed
    said = " ".join(printed.split())
    assert (
        "update rate: 25.0 % of all samples; of one recording 10.0 % (a.csv) to 40.0 % (b.csv), quartiles"
        in said
    )
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")] for line in printed.splitlines() if "│" in line
    ]
    assert ["walk", "3", "–", "0", "0.5"] in rows
    assert ["2 run [bold]", "1", "2"] in rows, "of the confusion matrix"
    assert ["ann", "6", "0.75"] in rows


def test_long_tables_are_cut_and_large_matrices_left_to_the_file(tmp_path: Path) -> None:
    rows = [{"name": f"c{k}", "count": 1, "precision": 1.0, "recall": 1.0, "f1": 1.0} for k in range(25)]
    printed = run(made(tmp_path, outputs=rows, confusion=[[0] * 25] * 25)).stdout
    assert "and 5 more in report.json" in printed
    assert "answered" not in printed


def test_a_report_of_a_run_on_made_sequences(tmp_path: Path) -> None:
    train(tmp_path / "run")
    assert "on 2000 test sequences" in run(tmp_path / "run").stdout


@pytest.mark.parametrize("text", [None, "{"])
def test_a_folder_without_a_report_ends_with_the_reason(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    result = run(tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path}")


def test_alarms_are_printed(tmp_path: Path) -> None:
    alarms = {"f1": 0.9, "false_alarms_per_hour": 12.5, "delay_seconds": None}
    row = {"name": "fall", "events": 10, "false_alarms": 2, "f1": 0.9, "delay_seconds": 0.25}
    changes = {"kind": "events", "metric": "f1", "recordings": {"count": 2, "f1": 0.9}, "alarms": alarms}
    folder = made(tmp_path, **changes, outputs=[row], groups=[row | {"name": "ann"}], confusion=[])
    found = json.loads((folder / "report.json").read_text())
    del found["windows"]
    (folder / "report.json").write_text(json.dumps(found))
    printed = run(folder).stdout
    assert "events; F1 0.9 on 2 whole held-out recordings" in printed
    assert "false alarms per hour 12.5, delay [s] –" in printed
    assert "delay [s]" in printed
