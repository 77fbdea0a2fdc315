"""Pictures of training runs: what is drawn, seen through the figures that would be written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from skiprnn.training.plots import plot_front

RUNS: dict[str, dict[str, Any]] = {
    "learned, target rate": {"target_rate": 0.4, "schedule": None, "update_rate": 0.41, "accuracy": 0.9},
    "learned, λ": {"target_rate": None, "schedule": None, "update_rate": 0.5, "accuracy": 0.8},
    "every sample": {"target_rate": 1, "schedule": "uniform", "update_rate": 1.0, "accuracy": 0.95},
    "uniform schedule": {"target_rate": 0.4, "schedule": "uniform", "update_rate": 0.4, "accuracy": 0.7},
    "random schedule": {"target_rate": 0.4, "schedule": "random", "update_rate": 0.39, "accuracy": 0.6},
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    return figures


def finished(folder: Path, **results: Any) -> Path:
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps({"task": "digits", "metric": "accuracy"} | results))
    return folder


def points(line: Line2D) -> list[list[float]]:
    return np.asarray(line.get_xydata()).tolist()  # type: ignore[no-any-return]


def test_every_kind_of_run_has_its_own_mark_where_it_was_evaluated(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    plot_front([finished(tmp_path / name, **run) for name, run in RUNS.items()], tmp_path / "out")
    marks = {line.get_label(): line for line in drawn[0].axes[0].lines if line.get_marker() != "None"}
    assert set(marks) == set(RUNS)
    for name, run in RUNS.items():
        assert points(marks[name]) == [[run["update_rate"], run["accuracy"]]]
    assert len({line.get_marker() for line in marks.values()}) == len(RUNS)


def test_a_thin_line_joins_the_thresholds_of_a_learned_gate(tmp_path: Path, drawn: list[Figure]) -> None:
    thresholds = [
        {"threshold": 0.5, "update_rate": 0.41, "accuracy": 0.9},
        {"update_rate": 0.2, "accuracy": 0.5},
    ]
    run = RUNS["learned, target rate"] | {"thresholds": thresholds}
    plot_front([finished(tmp_path / "learned", **run)], tmp_path / "out")
    line, named = (line for line in drawn[0].axes[0].lines if line.get_marker() == "None")
    assert named.get_label() == "its higher thresholds"
    assert points(line) == [[0.41, 0.9], [0.2, 0.5]]


def test_runs_of_two_tasks_are_not_drawn_together(tmp_path: Path) -> None:
    run = RUNS["every sample"]
    runs = [finished(tmp_path / "a", **run), finished(tmp_path / "b", **run | {"task": "mnist"})]
    with pytest.raises(ValueError, match=r"runs of one task, got \['digits', 'mnist'\]"):
        plot_front(runs, tmp_path / "out")


def test_a_run_that_has_not_finished_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"unfinished: expected a finished run, found no training\.json"
    ):
        plot_front([tmp_path / "unfinished"], tmp_path / "out")
