"""Results files become one row a setting, with mean and standard deviation over its seeds."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from skiprnn.training.results import main, table

RUN: dict[str, Any] = {
    "task": "adding",
    "seed": 0,
    "options": {"length": 50},
    "metric": "mean_squared_error",
    "mean_squared_error": 1e-3,
    "update_rate": 0.5,
    "updates": 25.0,
    "samples": 50.0,
    "lambda": 1e-5,
    "target_rate": None,
    "schedule": None,
    "cell": "lstm",
    "hidden_size": 110,
    "epochs": 40,
    "solved": True,
}


def test_seeds_of_a_setting_share_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    other = RUN | {
        "seed": 1,
        "update_rate": 0.6,
        "updates": 30.0,
        "mean_squared_error": 3e-3,
        "solved": False,
    }
    uniform = RUN | {"schedule": "uniform", "target_rate": 0.5, "lambda": 0.0}
    file = tmp_path / "adding.jsonl"
    file.write_text("".join(json.dumps(run) + "\n" for run in (RUN, other, uniform)))
    monkeypatch.setattr(sys, "argv", ["results", str(file)])
    main()
    rows = capsys.readouterr().out.splitlines()
    assert rows[2:] == [
        "| adding (length 50) | lstm 110 | λ = 1e-05 | 40 | mean squared error | 2.00e-03 ± 1.41e-03 "
        "| 55.0 ± 7.1 % | 27.5 ± 3.5 of 50 | 1 of 2 | 2 |",
        "| adding (length 50) | lstm 110 | uniform 0.5 | 40 | mean squared error | 1.00e-03 "
        "| 50.0 % | 25.0 of 50 | 1 of 1 | 1 |",
    ]


def test_folds_share_a_row_and_a_gate_that_is_always_open_is_named() -> None:
    fields = {"metric": "accuracy", "accuracy": 0.9, "target_rate": 1.0, "schedule": "uniform"}
    runs = [RUN | fields | {"options": {"fold": fold, "window": 9}} for fold in range(5)]
    for run in runs:
        del run["solved"]
    row = table(runs).splitlines()[2]
    assert row.startswith("| adding (window 9) | lstm 110 | every sample | 40 | accuracy | 0.9 ± 0 |")
    assert row.endswith("|  | 5 |")


def test_alarms_have_columns_of_their_own() -> None:
    """… where a run has some; a delay of no detected event is none."""
    alarms = {
        "metric": "f1",
        "f1": 0.9,
        "false_alarms_per_hour": 12.0,
        "sensitivity": 0.8,
        "delay_seconds": None,
    }
    other = alarms | {"seed": 1, "false_alarms_per_hour": 14.0, "delay_seconds": 0.5}
    head, _, row, plain = table([RUN | alarms, RUN | other, RUN]).splitlines()
    assert head.endswith("| runs | sensitivity | false alarms per hour | delay seconds |")
    assert row.endswith("| 2 | 0.8 ± 0 | 13 ± 1.41 | 0.5 |")
    assert plain.endswith("| 1 |  |  |  |")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "expected a file that `skiprnn train --results-file` wrote, found none"),
        ("oops", "expected JSON"),
    ],
)
def test_a_file_that_is_none_ends_it_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, content: str | None, reason: str
) -> None:
    file = tmp_path / "runs.jsonl"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(sys, "argv", ["results", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {file}: {reason}")
