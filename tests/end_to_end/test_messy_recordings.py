"""What training reads, the live tools read: a messy folder from training to a stream and to scores, to the bit."""

import json
import shutil
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from skiprnn.data.read_table import read_table_file
from skiprnn_cli import app
from skiprnn_export import Bundle, read, unroll
from support.messy import messy
from support.servers import serving

OVERRIDES = ("missing=interpolate", "group=subject", "window=64", "batch_size=8")
LACKS_VALUES = "s0/walk_03.txt"  # three empty cells, which an update may fall on
UNSORTED = "s2/rest_14.tsv"


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The messy data, and the bundle of a network that was trained on it as it is."""
    folder = tmp_path_factory.mktemp("messy")
    messy(folder / "data")
    overrides = [word for option in OVERRIDES for word in ("--override", option)]
    tiny = ("--epochs", 1, "--hidden", 8, "--quiet")
    run("train", "recordings", "--data", folder / "data", "--out", folder / "run", *overrides, *tiny)
    run(
        "export", folder / "run", "--out", folder / "models" / "own.onnx", "--samples", folder / "data" / "s3"
    )
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return read(folder / "models" / "own.onnx")


def samples(folder: Path, name: str, bundle: Bundle) -> NDArray[np.float32]:
    """Of a file as training reads it, before it is resampled."""
    return read_table_file(folder / "data" / name).samples(bundle.info.features)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("s0/rest_00.csv", "25"),  # semicolons, decimal commas, a byte order mark
        ("s0/walk_01.csv.gz", None),
        ("s1/rest_06.csv", None),
        ("s1/walk_09.txt", None),  # tabs
        ("s1/walk_11.pq", "100"),
        ("s2/walk_13.csv.gz", "holes"),
        ("s3/rest_20.tsv", "25"),
    ],
)
def test_a_file_that_was_trained_on_is_streamed(
    folder: Path, bundle: Bundle, name: str, rate: str | None
) -> None:
    expected = unroll(bundle, samples(folder, name, bundle))
    with serving(folder / "models") as server:
        result = run("stream", server.url("own"), "--input", folder / "data" / name, "--json")
    updates = [json.loads(line) for line in result.stdout.splitlines()]
    assert [update["t"] for update in updates] == expected.t.tolist()
    assert np.array([update["y"] for update in updates], np.float32).tobytes() == expected.y.tobytes()
    said = {None: "", "holes": "got 1 hole in time"}.get(rate, f"got samples at {rate} Hz; they are taken as")
    assert said in result.stderr
    assert ("expected samples at the model's 50 Hz" in result.stderr) == (rate is not None)


def test_a_file_is_scored_over_http(folder: Path, bundle: Bundle) -> None:
    """Semicolons, decimal commas, a byte order mark and CRLF."""
    body = (folder / "data" / "s0" / "rest_00.csv").read_bytes()
    with serving(folder / "models") as server:
        url = f"{server.http}/v1/models/own/score"
        request = urllib.request.Request(url, body, {"Content-Type": "text/csv"})
        with urllib.request.urlopen(request) as answer:
            (score,) = json.load(answer)["scores"]
    expected = unroll(bundle, samples(folder, "s0/rest_00.csv", bundle))
    assert [update["t"] for update in score["updates"]] == expected.t.tolist()
    assert (
        np.array([update["y"] for update in score["updates"]], np.float32).tobytes() == expected.y.tobytes()
    )


def test_the_folder_is_scored(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    data = shutil.copytree(folder / "data", tmp_path / "data")
    (data / LACKS_VALUES).unlink()
    result = run(
        "score", folder / "models" / "own.onnx", data, "--out", tmp_path / "scores.parquet", "--updates"
    )
    scores = pd.read_parquet(tmp_path / "scores.parquet").set_index("file")
    assert len(scores) == 23
    for name, row in scores.iterrows():
        expected = unroll(bundle, samples(folder, str(name), bundle))
        assert row["t"].tolist() == expected.t.tolist(), name
        assert np.stack(row["update_y"]).tobytes() == expected.y.tobytes(), name
    assert "left out, of no known format or without columns: notes.txt" in result.stderr
    assert "the column 'time' says 25 Hz, the model takes 50 Hz: resample first" in result.stderr
    assert "; 1 more file differs too" in result.stderr  # with a hole of a second


def test_a_file_is_scored_in_the_order_of_its_times(folder: Path, bundle: Bundle, tmp_path: Path) -> None:
    out, model = tmp_path / "scores.ndjson", folder / "models" / "own.onnx"
    run("score", model, folder / "data" / UNSORTED, "--out", out, "--time", "time", "--updates")
    frame = read_table_file(folder / "data" / UNSORTED).frame
    order = frame["time"].argsort(kind="stable")
    expected = unroll(bundle, samples(folder, UNSORTED, bundle)[order])
    scored = json.loads(out.read_text())["updates"]
    assert [update["t"] for update in scored] == expected.t.tolist()
    assert np.array([update["y"] for update in scored], np.float32).tobytes() == expected.y.tobytes()
