"""`skiprnn inspect`: everything in the file is printed; what is no bundle ends with the reason."""

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from skiprnn.events import EventRule
from skiprnn_cli.inspect import inspect
from skiprnn_export import Feature
from support.bundles import write_random_bundle


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(inspect)
    return CliRunner(env={"COLUMNS": "240"}).invoke(app, [str(argument) for argument in arguments])


def test_it_prints_what_is_in_the_file(tmp_path: Path) -> None:
    facts = {"update_rate": 0.25, "metric": {"accuracy": 0.9}, "dataset": "watch"}
    bundle = write_random_bundle(
        tmp_path / "m.onnx", layers=2, threshold=0.75, max_skip=99, sample_rate=50.0, training=facts
    )
    result = run(tmp_path / "m.onnx")
    assert result.exit_code == 0
    for words in (
        "random_lstm",
        "2 × 8 LSTM, 32 values of state per stream",
        "3: x0 [V], x1 [V], x2 [V]",
        "50 Hz",
        "sequence classification",
        "2 probabilities: c0, c1",
        "learned; threshold 0.75, skips 99 samples at most",
        "0.25",
        '{"accuracy": 0.9}',
        "watch",
    ):
        assert words in result.stdout
    digests = {"sha256 of the file": bundle.file_sha256, "inner sha256": bundle.sha256}
    for name, digest in digests.items():
        assert re.search(rf"{name} +│ {digest} ", result.stdout)


def test_it_says_what_is_an_alarm(tmp_path: Path) -> None:
    rule = EventRule("c0", 0.25, 150)
    write_random_bundle(tmp_path / "m.onnx", sample_rate=50.0, events=rule)
    assert (
        "all but 'c0'; threshold 0.25, refractory time 150 samples (3 s)" in run(tmp_path / "m.onnx").stdout
    )
    write_random_bundle(tmp_path / "m.onnx", events=rule)
    assert "refractory time 150 samples " in run(tmp_path / "m.onnx").stdout


@pytest.mark.parametrize(("period", "gate"), [(1, "every sample"), (10, "uniform, every 10 samples")])
def test_a_constant_gate_is_named(tmp_path: Path, period: int, gate: str) -> None:
    write_random_bundle(tmp_path / "m.onnx", period=period)
    assert f"{gate}; threshold 0.5" in run(tmp_path / "m.onnx").stdout


def test_thresholds_are_a_table_and_a_renamed_key_is_printed_once(tmp_path: Path) -> None:
    thresholds = [
        {"threshold": 0.5, "accuracy": 0.97654321, "update_rate": 0.25},
        {"threshold": 1.0, "accuracy": 0.9, "update_rate": 0.1},
    ]
    facts = {"thresholds": thresholds, "target_rate": 0.25, "rate_target": 0.25, "cadence": None}
    write_random_bundle(tmp_path / "m.onnx", training=facts)
    shown = run(tmp_path / "m.onnx").stdout
    table = [
        line.strip("│ ").split("│")[-1].split()
        for line in shown.splitlines()
        if re.search("training: thresholds| 0.9", line)
    ]
    assert table == [
        ["threshold", "accuracy", "update_rate"],
        ["0.5", "0.9765", "0.25"],
        ["1", "0.9", "0.1"],
    ]
    assert "target_rate" in shown
    assert "rate_target" not in shown
    assert "cadence" not in shown


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"task": "sequence_regression"}, "2 values"),
        ({"multi_label": True}, "2 independent probabilities: c0, c1"),
        ({"features": 30}, "x11 [V], …"),
        ({}, "not given"),
    ],
)
def test_it_says_what_the_outputs_and_features_are(
    tmp_path: Path, kind: dict[str, object], words: str
) -> None:
    write_random_bundle(tmp_path / "m.onnx", **kind)
    assert words in run(tmp_path / "m.onnx").stdout


def test_json_is_the_description_in_the_file_and_both_digests(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "m.onnx")
    said = json.loads(run(tmp_path / "m.onnx", "--json").stdout)
    digests = {"sha256": bundle.sha256, "file_sha256": bundle.file_sha256}
    assert said == bundle.info.to_json() | digests


def test_names_with_brackets_are_printed_as_they_are(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx", classes=("[red]", "[/]"))
    assert "2 probabilities: [red], [/]" in run(tmp_path / "m.onnx").stdout


def test_a_file_that_is_no_bundle_ends_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.onnx").write_text("shopping list")
    result = run(tmp_path / "notes.onnx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "notes.onnx: not an ONNX file, or a truncated one" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_file_ends_with_the_reason(tmp_path: Path) -> None:
    result = run(tmp_path / "none.onnx")
    assert result.exit_code == 2
    assert "none.onnx" in result.stderr


def test_outputs_of_a_regression_are_named_with_their_units(tmp_path: Path) -> None:
    targets = (Feature("glucose", "mg/dL"), Feature("load"))
    write_random_bundle(tmp_path / "m.onnx", task="step_regression", targets=targets)
    printed = run(tmp_path / "m.onnx").stdout
    assert "step regression" in printed
    assert "2 values: glucose [mg/dL], load" in printed
