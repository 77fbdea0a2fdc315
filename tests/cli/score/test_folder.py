"""A folder of sequences: the same scores as of each file, ids that are names of files, and bad files that stop none."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from skiprnn_cli.score import score
from skiprnn_cli.score.folder import FolderRun, is_folder
from skiprnn_cli.score.run import Options
from skiprnn_export import Bundle, read, unroll
from skiprnn_service.errors import MessageError
from support.bundles import random_sequence, write_random_bundle
from support.score_tables import BODIES, table_by_subject

Samples = NDArray[np.float32]
FILES = {"a/1.csv": 40, "a/2.csv.gz": 30, "b/c/3.parquet": 50, "b/4.tsv": 1, "5.npy": 60}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    write_random_bundle(path, hidden=16)
    return path


@pytest.fixture(scope="module")
def bundle(model: Path) -> Bundle:
    return read(model)


@pytest.fixture
def recordings(tmp_path: Path, bundle: Bundle) -> dict[str, Samples]:
    """Files of every kind, in a tree of folders."""
    found = {name: random_sequence(bundle, n, seed=n) for name, n in FILES.items()}
    for name, x in found.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, x)
            continue
        kind = path.suffixes[0].removeprefix(".")
        body = BODIES[kind](table_by_subject({"x": x}).select(["x0", "x1", "x2"]))
        path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)
    return found


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(score)
    return CliRunner(env={"COLUMNS": "240"}).invoke(app, [str(argument) for argument in arguments])


def check(scores: pd.DataFrame, bundle: Bundle, recordings: dict[str, Samples]) -> None:
    assert scores["id"].tolist() == scores["file"].tolist() == sorted(recordings)
    final = np.stack([unroll(bundle, recordings[name]).y[-1] for name in sorted(recordings)])
    np.testing.assert_array_equal(scores[["c0", "c1"]].to_numpy(np.float32), final)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".ndjson", ".tsv.gz"])
def test_a_table_has_a_row_a_file(
    model: Path, bundle: Bundle, tmp_path: Path, recordings: dict[str, Samples], suffix: str
) -> None:
    out = tmp_path / f"scores{suffix}"
    result = run(model, tmp_path / "data", "-o", out)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "5 of 5" in result.stdout
    readers = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".ndjson": lambda path: pd.read_json(path, lines=True, precise_float=True),
        ".tsv.gz": lambda path: pd.read_csv(path, sep="\t"),
    }
    check(readers[suffix](out), bundle, recordings)


def test_a_folder_of_scores_mirrors_the_tree(
    model: Path, bundle: Bundle, tmp_path: Path, recordings: dict[str, Samples]
) -> None:
    result = run(model, tmp_path / "data", "-o", tmp_path / "scores", "--format", "csv")
    assert (result.exit_code, result.stderr) == (0, "")
    found = sorted(path for path in (tmp_path / "scores").rglob("*") if path.is_file())
    assert [path.relative_to(tmp_path / "scores").as_posix() for path in found] == [
        "5.csv",
        "a/1.csv",
        "a/2.csv",
        "b/4.csv",
        "b/c/3.csv",
    ]
    check(pd.concat(map(pd.read_csv, found)).sort_values("file"), bundle, recordings)


def test_files_keep_their_format_where_none_is_said(
    model: Path, tmp_path: Path, recordings: dict[str, Samples]
) -> None:
    assert run(model, tmp_path / "data", "-o", tmp_path / "scores").exit_code == 0
    found = {path.relative_to(tmp_path / "scores").as_posix() for path in (tmp_path / "scores").rglob("*.*")}
    assert found == set(recordings)
    assert len(pd.read_csv(tmp_path / "scores" / "a" / "2.csv.gz")) == 1


@pytest.mark.parametrize("out", ["scores", "scores.csv"])
@pytest.mark.parametrize("cell", ["nan", "z"], ids=["where it is scored", "where it is read"])
def test_a_bad_file_is_named_and_the_others_are_scored(
    model: Path, bundle: Bundle, tmp_path: Path, recordings: dict[str, Samples], out: str, cell: str
) -> None:
    (tmp_path / "data" / "a" / "bad.csv").write_text(f"x0,x1,x2\n1,{cell},3\n")
    (tmp_path / "data" / "notes.txt").write_text("no sequences")
    result = run(model, tmp_path / "data", "-o", tmp_path / out)
    assert result.exit_code == 1
    assert "error: a/bad.csv: " in result.stderr
    assert "1 of 6 files could not be scored" in result.stderr
    assert "left out, of no known format or without columns: notes.txt" in result.stderr
    if out == "scores.csv":
        check(pd.read_csv(tmp_path / out), bundle, recordings)
    else:
        assert (tmp_path / out / "b" / "c" / "3.parquet").is_file()
        assert not (tmp_path / out / "a" / "bad.csv").exists()


def test_files_of_several_sequences_keep_their_ids_and_the_file_beside_them(
    model: Path, bundle: Bundle, tmp_path: Path
) -> None:
    whole = {name: random_sequence(bundle, 20 + i, seed=i) for i, name in enumerate(("007", "7"))}
    (tmp_path / "data").mkdir()
    for name in ("one.csv", "two.csv"):
        (tmp_path / "data" / name).write_bytes(BODIES["csv"](table_by_subject(whole).sort_by("seconds")))
    np.save(tmp_path / "data" / "two.npy", np.stack([whole["7"]] * 2))
    options = ("--per", "sample", "--sequence", "subject", "--time", "seconds")
    result = run(model, tmp_path / "data", "-o", tmp_path / "s.csv", *options)
    assert result.exit_code == 1  # an array has no columns
    rows = pd.read_csv(tmp_path / "s.csv", dtype={"id": str})
    assert rows.groupby(["file", "id"]).size().tolist() == [20, 21, 20, 21]
    assert rows.groupby("file")["row"].apply(list).tolist() == [list(range(41))] * 2
    assert run(model, tmp_path / "data", "-o", tmp_path / "s.ndjson").exit_code == 0
    ids = [json.loads(line)["id"] for line in (tmp_path / "s.ndjson").read_text().splitlines()]
    assert ids == ["one.csv", "two.csv", "two.npy", "two.npy/1"]


def test_a_run_in_json_says_what_failed(model: Path, tmp_path: Path, recordings: dict[str, Samples]) -> None:
    (tmp_path / "data" / "bad.csv").write_text("a,b\n1,2\n")
    result = run(model, tmp_path / "data", "-o", tmp_path / "s.parquet", "--json")
    said = json.loads(result.stdout)
    assert (result.exit_code, said["files"], said["sequences"]) == (1, 6, 5)
    assert list(said["failed"]) == ["bad.csv"]
    assert said["samples"] == sum(map(len, recordings.values()))


def test_what_holds_nothing_to_score_ends_with_the_reason(model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    result = run(model, tmp_path / "data", "-o", tmp_path / "scores")
    assert (result.exit_code, "expected files of sequences in the folder" in result.stderr) == (2, True)
    (tmp_path / "data" / "bad.csv").write_text("a,b\n1,2\n")
    result = run(model, tmp_path / "data", "-o", tmp_path / "s.csv")
    assert (result.exit_code, "no file could be scored: bad.csv: columns" in result.stderr) == (2, True)
    assert not (tmp_path / "s.csv").exists()


def test_scores_within_the_folder_are_not_scored(
    model: Path, tmp_path: Path, recordings: dict[str, Samples]
) -> None:
    out = tmp_path / "data" / "scores"
    for _ in range(2):
        result = run(model, tmp_path / "data", "-o", out)
        assert (result.exit_code, f"{len(recordings)} of {len(recordings)}" in result.stdout) == (0, True)


@pytest.mark.parametrize("out", ["data", "", "data/a/.."])
def test_a_folder_of_scores_that_contains_the_data_is_an_error(
    model: Path, tmp_path: Path, recordings: dict[str, Samples], out: str
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = run(model, tmp_path / "data", "-o", tmp_path / out)
    assert result.exit_code == 2
    assert f"--out: expected a folder within or beside the data, got {tmp_path / out}, which" in result.stderr
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(before) == len(recordings)


def test_a_link_in_the_folder_of_scores_is_no_data(
    model: Path, tmp_path: Path, recordings: dict[str, Samples]
) -> None:
    (tmp_path / "data" / "scores").mkdir()
    for number, name in enumerate(("scores/link.csv", "table.csv")):
        (tmp_path / f"{number}.csv").write_bytes((tmp_path / "data" / "a" / "1.csv").read_bytes())
        (tmp_path / "data" / name).symlink_to(tmp_path / f"{number}.csv")
    for name in ("scores", "table.csv"):
        found = FolderRun(model, tmp_path / "data", tmp_path / "data" / name, Options())
        assert len(found.files) == len(recordings) + 1  # the other link


@pytest.mark.parametrize("bad", [True, False])
def test_a_name_of_two_lines_is_told_on_one(model: Path, bundle: Bundle, tmp_path: Path, bad: bool) -> None:
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "good.npy", random_sequence(bundle, 5, seed=0))
    (tmp_path / "data" / ("a\n\x1b[2Jb.csv" if bad else "a\n\x1b[2Jb.txt")).write_text("x0,x1\n1,2\n")
    result = run(model, tmp_path / "data", "-o", tmp_path / "s.csv")
    assert r"a \x1b[2Jb" in result.stderr
    assert "\x1b[2J" not in result.stderr


def test_two_files_of_one_name_cannot_have_the_same_scores(model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a.csv", "a.tsv"):
        (tmp_path / "data" / name).write_text("")
    with pytest.raises(
        MessageError, match=r"a\.csv: expected the scores of one file, got .*a\.csv and .*a\.tsv"
    ):
        FolderRun(model, tmp_path / "data", tmp_path / "out", Options(), suffix="csv")


def test_a_name_without_a_suffix_is_a_folder(tmp_path: Path) -> None:
    assert [is_folder(path) for path in (tmp_path, tmp_path / "new", tmp_path / "a.csv")] == [
        True,
        True,
        False,
    ]


def test_a_file_of_more_than_may_be_held_is_named(
    model: Path, tmp_path: Path, recordings: dict[str, Samples]
) -> None:
    result = run(model, tmp_path / "data", "-o", tmp_path / "s.csv", "--max-sequence-bytes", "650")
    assert result.exit_code == 1
    assert "error: 5.npy: npy: expected sequences of 650 bytes at most" in result.stderr
    assert len(pd.read_csv(tmp_path / "s.csv")) == len(recordings) - 1


def test_a_file_that_unpacks_to_more_than_may_be_held_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.json.gz").write_bytes(gzip.compress(b" " * 10_000_000))
    result = run(model, tmp_path / "data", "-o", tmp_path / "s.csv", "--max-sequence-bytes", "100000")
    assert "a.json.gz: body: expected 100000 bytes at most" in result.stderr


def test_a_table_in_which_no_file_fits_ends_with_the_reason(model: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    lines = [json.dumps({"id": f"{v}", "v": v, "x": [[0, 0, 0]]}) for v in (1, "a")]
    (tmp_path / "data" / "a.ndjson").write_text("\n".join(lines))
    result = run(model, tmp_path / "data", "-o", tmp_path / "s.parquet", "--carry", "v")
    assert result.exit_code == 2
    assert "no file could be scored: a.ndjson: v: expected one type for a table" in result.stderr
    assert not (tmp_path / "s.parquet").exists()
