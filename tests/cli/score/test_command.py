"""`skiprnn score`: the bits of the offline unroll, in every format; stopped, it resumes."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from skiprnn_cli.score import score
from skiprnn_export import Bundle, open_session, read, unroll
from skiprnn_service.scoring import job as score_job
from support.bundles import random_sequence, write_random_bundle
from support.score_tables import table_by_subject

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    write_random_bundle(path, hidden=16)
    return path


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return read(model)


@pytest.fixture(scope="module")
def sequences(bundle: Bundle) -> list[Samples]:
    return [random_sequence(bundle, 20 + 7 * i, seed=i) for i in range(12)]


@pytest.fixture
def data(tmp_path: Path, sequences: list[Samples]) -> Path:
    table = pa.table(
        {
            "x": pa.array([x.tolist() for x in sequences], pa.list_(pa.list_(pa.float32()))),
            "id": [f"s{i}" for i in range(len(sequences))],
        }
    )
    pa.parquet.write_table(table, tmp_path / "data.parquet")
    return tmp_path / "data.parquet"


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(score)
    return CliRunner(env={"COLUMNS": "240"}).invoke(app, [str(argument) for argument in arguments])


def final(bundle: Bundle, sequences: Sequence[Samples], **options: Any) -> NDArray[np.float32]:
    session = open_session(bundle.model)
    return np.stack([unroll(bundle, x, session=session, **options).y[-1] for x in sequences])


def in_small_chunks(monkeypatch: pytest.MonkeyPatch, *, stop_at: int | None = None) -> list[int]:
    """Chunks of two sequences; whoever scores the `stop_at`th is interrupted. Returns those that were scored."""
    scored: list[int] = []
    chunks, score_chunk = score_job.chunks, score_job.score_chunk

    def interrupted(*arguments: Any, first: int, **options: Any) -> Any:
        if stop_at is not None and first >= stop_at:
            raise KeyboardInterrupt
        scored.append(first)
        return score_chunk(*arguments, first=first, **options)

    monkeypatch.setattr(score_job, "chunks", lambda items: chunks(items, max_sequences=2))
    monkeypatch.setattr(score_job, "score_chunk", interrupted)
    return scored


READERS: dict[str, Callable[[Path], tuple[list[Any], Any]]] = {
    ".parquet": lambda path: (lambda t: (t["id"].to_pylist(), t["y"].to_pylist()))(
        pa.parquet.read_table(path)
    ),
    ".arrow": lambda path: (lambda t: (t["id"].to_pylist(), t["y"].to_pylist()))(
        pa.ipc.open_file(str(path)).read_all()
    ),
    ".csv": lambda path: (
        lambda t: (t["id"].to_pylist(), np.stack([t["c0"].to_numpy(), t["c1"].to_numpy()], 1))
    )(pa.csv.read_csv(path)),
    ".csv.gz": lambda path: (lambda t: (t["id"].tolist(), t[["c0", "c1"]].to_numpy()))(pd.read_csv(path)),
    ".tsv": lambda path: (lambda t: (t["id"].tolist(), t[["c0", "c1"]].to_numpy()))(
        pd.read_csv(path, sep="\t")
    ),
    ".npz": lambda path: (np.load(path)["id"].tolist(), np.load(path)["y"]),
    ".ndjson": lambda path: (
        [json.loads(line)["id"] for line in path.read_text().splitlines()],
        [json.loads(line)["y"] for line in path.read_text().splitlines()],
    ),
    ".json": lambda path: (
        [one["id"] for one in json.loads(path.read_text())["scores"]],
        [one["y"] for one in json.loads(path.read_text())["scores"]],
    ),
}


@pytest.mark.parametrize("suffix", READERS)
def test_it_writes_scores_of_every_format_with_the_bits_of_the_offline_unroll(
    model: Path, data: Path, bundle: Bundle, sequences: list[Samples], suffix: str
) -> None:
    out = data.with_name(f"scores{suffix}")
    result = run(model, data, "-o", out)
    assert result.exit_code == 0, result.stderr
    ids, y = READERS[suffix](out)
    assert ids == [f"s{i}" for i in range(len(sequences))]
    np.testing.assert_array_equal(np.asarray(y, np.float32), final(bundle, sequences))
    assert [path.name for path in data.parent.iterdir() if path not in (data, out)] == []


def test_json_and_the_table_tell_what_was_done(
    model: Path, data: Path, bundle: Bundle, sequences: list[Samples]
) -> None:
    said = json.loads(run(model, data, "-o", data.with_name("a.npy"), "--json").stdout)
    updates = sum(len(unroll(bundle, x).t) for x in sequences)
    assert (said["sequences"], said["samples"]) == (12, sum(map(len, sequences)))
    assert (said["updates"], said["resumed"]) == (updates, False)
    table = run(model, data, "-o", data.with_name("a.npy")).stdout
    assert f"{updates:,} (" in table
    assert "samples/s" in table


def test_updates_and_threshold_are_honoured(
    model: Path, data: Path, bundle: Bundle, sequences: list[Samples]
) -> None:
    out = data.with_name("scores.npz")
    assert run(model, data, "-o", out, "--updates", "--threshold", "0.8").exit_code == 0
    wanted = [unroll(bundle, x, threshold=0.8) for x in sequences]
    with np.load(out) as found:
        np.testing.assert_array_equal(found["t"], np.concatenate([one.t for one in wanted]))
        np.testing.assert_array_equal(found["update_y"], np.concatenate([one.y for one in wanted]))


@pytest.mark.parametrize("updates", [(), ("--updates",)])
def test_a_run_that_was_stopped_resumes_where_it_was(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, updates: tuple[str, ...]
) -> None:
    out, whole = data.with_name("scores.ndjson"), data.with_name("whole.ndjson")
    assert run(model, data, "-o", whole, *updates).exit_code == 0
    with monkeypatch.context() as patch:
        in_small_chunks(patch, stop_at=6)
        stopped = run(model, data, "-o", out, *updates)
    assert stopped.exit_code == 130
    assert "the same command resumes from here" in stopped.stderr
    assert not out.exists()
    with monkeypatch.context() as patch:
        scored = in_small_chunks(patch)
        said = json.loads(run(model, data, "-o", out, "--json", *updates).stdout)
    assert (said["resumed"], scored) == (True, [6, 8, 10])
    assert out.read_text() == whole.read_text()
    assert not out.with_name("scores.ndjson.parts").exists()


@pytest.mark.parametrize("change", ["anew", "threshold", "data"])
def test_parts_of_another_run_are_not_taken(
    model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    out = data.with_name("scores.ndjson")
    with monkeypatch.context() as patch:
        in_small_chunks(patch, stop_at=6)
        run(model, data, "-o", out)
    extra = {"anew": ["--anew"], "threshold": ["--threshold", "0.9"], "data": []}[change]
    if change == "data":
        data.write_bytes(data.read_bytes())
    with monkeypatch.context() as patch:
        scored = in_small_chunks(patch)
        said = json.loads(run(model, data, "-o", out, "--json", *extra).stdout)
    assert (said["resumed"], scored) == (False, [0, 2, 4, 6, 8, 10])


@pytest.mark.parametrize(
    ("name", "content", "out", "said"),
    [
        ("data.xls", b"", "a.npy", "data.xls: expected a name that ends in one of"),
        ("data.npy", b"", "a.dat", "a.dat: expected a name that ends in one of"),
        ("data.npy", b"no", "a.npy", "expected a file as numpy.save writes it"),
        ("data.ndjson", b"", "a.npy", "expected one sequence at least"),
        ("data.ndjson", b'{"x": [[1, 2]]}', "a.npy", "line 1: expected [T, 3]"),
        ("data.csv", b"x0,x1,x2\n1,2,nan\n", "a.npy", "sequence 0, sample 0: expected finite numbers"),
        ("data.csv", b"x0,x1,x2\n1,2,3\n", "none/a.npy", "--out: expected a folder at"),
    ],
)
def test_what_cannot_be_scored_ends_with_the_reason(
    model: Path, tmp_path: Path, name: str, content: bytes, out: str, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = run(model, tmp_path / name, "-o", tmp_path / out)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / out).exists()


def test_missing_files_and_models_end_with_the_reason(model: Path, data: Path, tmp_path: Path) -> None:
    for arguments in ((model, tmp_path / "none.npy"), (tmp_path / "none.onnx", data), (data, data)):
        result = run(*arguments, "-o", tmp_path / "a.npy")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "error: " in result.stderr
    missing = run(model, tmp_path / "none.csv", "-o", tmp_path / "a.npy").stderr
    assert (
        missing
        == f"error: {tmp_path / 'none.csv'}: expected a file or a folder of sequences, found none of that name\n"
    )
    by_name = run("watch", data, "-o", tmp_path / "a.npy").stderr
    assert (
        "watch: expected a bundle (.onnx), found no such file; give its file, such as models/watch.onnx"
        in by_name
    )


# -- columns by name


@pytest.fixture
def table(tmp_path: Path, sequences: list[Samples]) -> Path:
    """Its rows are mixed: by time, of all subjects at once."""
    subjects = {f"{i:03}": x for i, x in enumerate(sequences)}
    table_by_subject(subjects).sort_by("seconds").to_pandas().to_csv(tmp_path / "all.csv.gz", index=False)
    return tmp_path / "all.csv.gz"


def test_a_table_of_many_subjects_is_one_sequence_with_a_warning(model: Path, table: Path) -> None:
    result = run(model, table, "-o", table.with_name("a.csv"))
    assert result.exit_code == 0
    assert "warning: the column 'subject' repeats 12 values" in result.stderr
    assert "--sequence subject scores each apart" in result.stderr
    assert len(pd.read_csv(table.with_name("a.csv"))) == 1


def test_another_sample_rate_than_the_models_is_warned_of(table: Path, tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "slow.onnx", hidden=16, sample_rate=25.0)
    by_name = ("--sequence", "subject", "--time", "seconds")
    result = run(tmp_path / "slow.onnx", table, "-o", tmp_path / "a.csv", *by_name)
    assert result.exit_code == 0
    assert "warning: the column 'seconds' says 50 Hz, the model takes 25 Hz: resample first" in result.stderr


@pytest.mark.parametrize("per", ["sequence", "update", "sample"])
def test_rows_join_to_those_of_the_table(
    model: Path, table: Path, bundle: Bundle, sequences: list[Samples], per: str
) -> None:
    out = table.with_name("scores.tsv")
    columns = ("--sequence", "subject", "--time", "seconds", "--carry", "note,x0")
    result = run(model, table, "-o", out, "--per", per, *columns)
    assert (result.exit_code, result.stderr) == (0, "")
    text = {"id": str, "subject": str}
    scores, rows = pd.read_csv(out, sep="\t", dtype=text), pd.read_csv(table, dtype=text)
    joined = scores.merge(rows, left_on=["id", "seconds"], right_on=["subject", "seconds"], validate="1:1")
    wanted = [unroll(bundle, x) for x in sequences]
    count = {"sequence": 12, "update": sum(len(one.t) for one in wanted), "sample": len(rows)}
    assert len(joined) == len(scores) == count[per]
    assert joined["note_x"].tolist() == joined["note_y"].tolist()
    np.testing.assert_array_equal(joined["x0_x"], joined["x0_y"])
    last = scores.groupby("id").tail(1).sort_values("id")[["c0", "c1"]].to_numpy(np.float32)
    np.testing.assert_array_equal(last, final(bundle, sequences))


def test_parts_serve_other_rows_of_the_same_scores(
    model: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (model, table, "--sequence", "subject", "--per", "sample", "-o")
    out, whole = table.with_name("scores.csv"), table.with_name("whole.csv")
    assert run(*arguments, whole).exit_code == 0
    with monkeypatch.context() as patch:
        in_small_chunks(patch, stop_at=6)
        assert run(model, table, "--sequence", "subject", "-o", out).exit_code == 130
    with monkeypatch.context() as patch:
        scored = in_small_chunks(patch)
        assert run(*arguments, out).exit_code == 0
    assert scored == [6, 8, 10]
    assert out.read_text() == whole.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--per", "row"), "--per: expected one of sequence, update, sample, got 'row'"),
        (("--per", "update", "--updates"), "leave it out with --per update"),
        (("--format", "csv"), "--format is for a folder of scores"),
        (("--sequence", "who"), "sequence: expected a column 'who', got ['subject'"),
        (("--time", "seconds"), "seconds: expected each time once in a sequence, got '0.0' in rows 1 and 2"),
        (("--carry", "note,who"), "carry: expected a column 'who'"),
    ],
)
def test_options_that_do_not_fit_end_with_the_reason(
    model: Path, table: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run(model, table, "-o", table.with_name("a.csv"), *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not table.with_name("a.csv").exists()


def test_updates_in_csv_are_warned_of(model: Path, data: Path) -> None:
    result = run(model, data, "-o", data.with_name("a.csv"), "--updates")
    assert result.exit_code == 0
    assert "--per update writes a row for each" in result.stderr
