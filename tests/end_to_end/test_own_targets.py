"""Every kind of target from files to a live stream: train, report, export, score, and the bits are the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from skiprnn_cli import app
from skiprnn_client import stream_sync
from skiprnn_export import Bundle, read, unroll
from support.servers import serving

SAMPLES = 80

# Options of the task; task of the network; names of its outputs; heads of the report.
KINDS: dict[str, tuple[list[str], str, tuple[str, ...], list[str]]] = {
    "class a recording": (
        ["label=kind"],
        "sequence_classification",
        ("fast", "slow"),
        ["precision", "recall", "F1"],
    ),
    "class a sample": (["label=now"], "step_classification", ("high", "low"), ["precision", "recall", "F1"]),
    "number a sample": (
        ["label=size [mm]", "target=regression"],
        "step_regression",
        ("size [mm]",),
        ["RMSE", "MAE", "R²"],
    ),
    "numbers a recording": (
        ["label=speed [rad],load [kg]"],
        "sequence_regression",
        ("speed [rad]", "load [kg]"),
        ["RMSE", "MAE", "R²"],
    ),
    "labels a sample": (["label=up,big"], "step_classification", ("up", "big"), ["average precision"]),
    "labels a recording": (
        ["label=tags", "target=multi-label"],
        "sequence_classification",
        ("fast", "first", "slow"),
        ["average precision"],
    ),
    "number where there is one": (
        ["label=seldom", "target=regression", "missing_labels=ignore"],
        "step_regression",
        ("seldom",),
        ["RMSE"],
    ),
}


def write_recordings(folder: Path) -> Path:
    """Eight recordings of four people, with labels of every kind."""
    folder.mkdir()
    t = np.arange(SAMPLES)
    for number in range(8):
        kind = ("slow", "fast")[number % 2]
        speed, load = {"slow": 0.2, "fast": 0.8}[kind], 1.5 + number
        size = load * np.abs(np.sin(0.05 * t + number))
        rng = np.random.default_rng(number)
        ax = size * np.sin(speed * t + number) + 0.05 * rng.standard_normal(SAMPLES)
        pd.DataFrame(
            {
                "ax [g]": ax,
                "ay [g]": np.roll(ax, 3),
                "who": f"p{number // 2}",
                "kind": kind,
                "now": np.where(size > load / 2, "high", "low"),
                "size [mm]": size,
                "speed [rad]": speed,
                "load [kg]": load,
                "up": (np.diff(size, prepend=0) > 0).astype(int),
                "big": (size > load / 2).astype(int),
                "tags": kind + (";first" if number % 4 < 2 else ""),
                "seldom": np.where(t % 5 == 0, size, np.nan),
            }
        ).to_csv(folder / f"{number}.csv", index=False)
    return folder


def run(*arguments: object) -> str:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recordings(tmp_path_factory.mktemp("data") / "recordings")


@pytest.mark.parametrize("kind", KINDS)
def test_from_files_to_a_live_stream(tmp_path: Path, recordings: Path, kind: str) -> None:
    options, task, names, heads = KINDS[kind]
    printed = train(tmp_path / "run", recordings, options)
    report = run("report", tmp_path / "run")
    for words in (*heads, *names, "update rate: "):
        assert words in printed
        assert words in report
    run("export", tmp_path / "run", "--out", tmp_path / "models" / "own.onnx")
    bundle = read(tmp_path / "models" / "own.onnx")
    assert (bundle.info.task, bundle.info.output_names) == (task, names)
    assert all(name in run("inspect", tmp_path / "models" / "own.onnx") for name in names)
    check_bits(tmp_path, bundle, recordings / "7.csv")


def train(out: Path, data: Path, options: list[str]) -> str:
    overrides = [
        part for option in (*options, "columns=ax,ay", "group=who") for part in ("--override", option)
    ]
    tiny = ("--epochs", 2, "--hidden", 8, "--override", "batch_size=8", "--override", "window=32", "--quiet")
    return run("train", "recordings", "--data", data, "--out", out, *overrides, *tiny)


def check_bits(folder: Path, bundle: Bundle, recording: Path) -> None:
    """The offline unroll, `skiprnn score`, and streams in both encodings, one sample at a time and in chunks."""
    x = pd.read_csv(recording)[["ax [g]", "ay [g]"]].to_numpy(np.float32)
    expected = unroll(bundle, x)
    run("score", folder / "models" / "own.onnx", recording, "--out", folder / "scores.ndjson", "--updates")
    scored = json.loads((folder / "scores.ndjson").read_text())
    assert [update["t"] for update in scored["updates"]] == expected.t.tolist()
    assert same([update["y"] for update in scored["updates"]], expected.y)
    with serving(folder / "models") as server:
        for encoding in ("f32", "json"):
            for samples in (x, [x[:1], x[1:50], x[50:]]):
                updates = list(stream_sync(server.url("own"), samples, encoding=encoding))
                assert [update.t for update in updates] == expected.t.tolist()
                assert same([update.y for update in updates], expected.y)
                one_class = bool(bundle.info.classes) and not bundle.info.multi_label
                assert all((update.label is not None) == one_class for update in updates)


def same(outputs: Any, expected: np.ndarray) -> bool:
    return np.array(outputs, np.float32).tobytes() == expected.tobytes()


def test_a_number_with_a_fraction_is_no_class_and_the_way_out_works(tmp_path: Path, recordings: Path) -> None:
    options = ("--override", "label=size [mm]", "--override", "columns=ax,ay")
    arguments = ("train", "recordings", "--data", recordings, "--out", tmp_path / "run", *options)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2
    assert "'size [mm]': expected classes, words or whole numbers, got" in result.stderr
    assert "--override target=regression predicts numbers" in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_report_says_who_was_held_out_and_how_much_that_matters(tmp_path: Path, recordings: Path) -> None:
    printed = train(tmp_path / "run", recordings, ["label=kind", "held_out=0.5"])
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["parts"]["trained on"] == {"recordings": 4, "groups": 2, "samples": 4 * SAMPLES}
    assert {group["recordings"] for group in report["groups"]} == {2}
    assert np.array(report["confusion"]).sum() == report["recordings"]["count"] == 4
    low, *_, high = report["update_rate"]["quartiles"]
    assert low == report["update_rate"]["lowest"]["update_rate"] <= report["update_rate"]["mean"] <= high
    assert "note: 2 groups are held out: with one of them left out, balanced accuracy is" in printed
    assert (
        "note: 'fast' has 2 held-out recordings, 'slow' has 2 held-out recordings: figures of so few are rough"
        in printed
    )


@pytest.mark.parametrize("split", ["time", "part"])
def test_other_splits_train_export_and_stream(tmp_path: Path, split: str) -> None:
    data = write_recordings(tmp_path / "recordings")
    for number, part in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"] * 2):
        table = pd.read_csv(data / f"{number}.csv")
        table.assign(part=part).to_csv(data / f"{number}.csv", index=False)
    printed = train(tmp_path / "run", data, ["label=kind", f"split={split}", "held_out=0.4"])
    assert ("say nothing of new people" in printed) == (split == "time")
    assert ("selected by: 2 recordings" in printed) == (split == "part")
    run("export", tmp_path / "run", "--out", tmp_path / "models" / "own.onnx")
    check_bits(tmp_path, read(tmp_path / "models" / "own.onnx"), data / "7.csv")
