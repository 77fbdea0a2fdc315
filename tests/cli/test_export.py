"""`skiprnn export`: writes the file, prints the results; a failure ends with the reason and leaves no file."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from typer.testing import CliRunner, Result

from skiprnn_cli.export import export
from skiprnn_export import read
from skiprnn_export.parity import Parity
from support.bundles import write_random_bundle
from support.networks import small_network


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    small_network().save(folder)
    np.savez(folder / "parity.npz", recording=np.zeros((50, 3), np.float32))
    return folder


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(export)
    return CliRunner(env={"COLUMNS": "240"}).invoke(app, [str(argument) for argument in arguments])


def test_it_writes_a_bundle_and_prints_the_parity(run_folder: Path, tmp_path: Path) -> None:
    result = run(run_folder, "--out", tmp_path / "m.onnx")
    assert result.exit_code == 0
    assert read(tmp_path / "m.onnx").file_sha256 in result.stdout
    for words in ("1 real and 8 random sequences", "largest difference", "gate decisions", "differing"):
        assert words in result.stdout


def test_json_has_the_same_figures(run_folder: Path, tmp_path: Path) -> None:
    said = json.loads(run(run_folder, "--out", tmp_path / "m.onnx", "--json").stdout)
    assert said["sha256"] == read(tmp_path / "m.onnx").sha256
    assert said["file_sha256"] == read(tmp_path / "m.onnx").file_sha256
    assert said["bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert said["parity"]["decisions"] > 100
    assert said["parity"]["differing"] == said["parity"]["explained"]
    assert (said["real_sequences"], said["random_sequences"]) == (1, 8)


def test_a_folder_without_a_network_ends_with_the_reason(tmp_path: Path) -> None:
    result = run(tmp_path, "--out", tmp_path / "m.onnx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected a network directory" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_runs_in_a_folder_of_a_comparison_are_named(tmp_path: Path) -> None:
    for name in ("uniform-0.5-seed-0", "learned-0.5-seed-0"):
        small_network().save(tmp_path / name)
    result = run(tmp_path, "--out", tmp_path / "m.onnx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "got one of 2 runs (learned-0.5-seed-0, uniform-0.5-seed-0): skiprnn export" in result.stderr


def test_a_difference_from_torch_ends_with_the_figures_and_no_file(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parity = Parity(0.5, 0.0, 0.0, decisions=9, differing=0, explained=0)
    monkeypatch.setattr("skiprnn_export.step.compare", lambda *_: parity)
    result = run(run_folder, "--out", tmp_path / "m.onnx")
    assert result.exit_code == 1
    assert "max_output=0.5" in result.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_a_folder_that_is_not_there_is_created(run_folder: Path, tmp_path: Path) -> None:
    assert run(run_folder, "--out", tmp_path / "models" / "m.onnx").exit_code == 0
    assert read(tmp_path / "models" / "m.onnx")


def test_a_file_that_cannot_be_written_ends_with_the_reason(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    result = run(run_folder, "--out", tmp_path / "models" / "m.onnx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "models" in result.stderr


def changed_bundle(path: Path) -> str:
    """Another producer, as if a tool had changed the graph; the inner digest of the original."""
    original = write_random_bundle(path).sha256
    model = onnx.load(path)
    model.producer_name = "another tool"
    onnx.save(model, path)
    return original


def test_a_bundle_that_another_tool_changed_is_sealed_again(tmp_path: Path) -> None:
    original = changed_bundle(tmp_path / "changed.onnx")
    result = run("--reseal", tmp_path / "changed.onnx", "--out", tmp_path / "m.onnx")
    assert result.exit_code == 0
    bundle = read(tmp_path / "m.onnx")
    assert bundle.info.original_sha256 == original
    for words in (bundle.file_sha256, original, "compare its outputs"):
        assert words in " ".join(result.stdout.split())  # lines are wrapped where the path is long
    said = json.loads(
        run("--reseal", tmp_path / "changed.onnx", "--out", tmp_path / "m.onnx", "--json").stdout
    )
    assert (said["original_sha256"], said["file_sha256"]) == (original, bundle.file_sha256)


def test_a_bundle_that_nothing_changed_is_not_sealed_again(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    result = run("--reseal", tmp_path / "m.onnx", "--out", tmp_path / "out.onnx")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "nothing to do" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("runs/a", "--reseal", "m.onnx")])
def test_it_takes_a_run_or_a_bundle(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected the folder of a training run, or --reseal FILE" in result.stderr


def test_a_recording_is_laid_beside_the_bundle_if_asked_for(run_folder: Path, tmp_path: Path) -> None:
    assert "none; --recording FILE" in run(run_folder, "--out", tmp_path / "m.onnx").stdout
    source, beside = tmp_path / "real.csv", tmp_path / "m.recording.csv"
    assert not beside.exists()
    source.write_text("x0,x1,x2\n1,2,3\n4,5,6\n")  # as the bundle names them
    result = run(run_folder, "--out", tmp_path / "m.onnx", "--recording", source)
    assert beside.name in result.stdout
    assert len(beside.read_text().splitlines()) == 3


def test_a_recording_that_does_not_fit_leaves_no_file(run_folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "other.csv"
    source.write_text("a,b\n1,2\n3,4\n")
    result = run(run_folder, "--out", tmp_path / "m.onnx", "--recording", source)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "other.csv: expected the columns" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["other.csv"]


def test_real_sequences_come_from_the_users_files(run_folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.ones((5, 20, 3), np.float32))
    result = run(run_folder, "--out", tmp_path / "m.onnx", "--samples", tmp_path / "mine.npy")
    assert result.exit_code == 0
    assert "5 real and 8 random sequences" in result.stdout


def test_sequences_that_do_not_fit_are_named(run_folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.ones((20, 2), np.float32))
    result = run(run_folder, "--out", tmp_path / "m.onnx", "--samples", tmp_path / "mine.npy")
    assert result.exit_code == 2
    assert "mine.npy: expected sequences [T, 3], got one of shape [20, 2]" in result.stderr
    assert not (tmp_path / "m.onnx").exists()
