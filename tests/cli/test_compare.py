"""`skiprnn compare`: one command from recordings to a verdict; it can be interrupted, and outlives a failing run."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from skiprnn_cli.compare import compare
from skiprnn_export import read
from support.events import bumps_of_people
from support.recordings import machines

PROGRAM = [sys.executable, "-c", "import skiprnn_cli; skiprnn_cli.main()", "compare"]
SMALL = ("--override", "hidden_size=4", "--override", "batch_size=4", "--override", "label=kind")
RATES = ("--update-rates", "0.1,0.5", "--seeds", "1", "--jobs", "2")
pytestmark = pytest.mark.timeout(900)
RUNS = 7  # every sample; learned, uniform and random at both rates


def command(data: object, out: Path, *more: object) -> list[str]:
    return [*PROGRAM, str(data), "--out", str(out), *SMALL, *RATES, *map(str, more)]


def compared(data: Path, out: Path, *more: object) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(
        command(data, out, *more), capture_output=True, text=True, timeout=600, check=False, env=environment
    )


def rejected(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(compare)
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return machines(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def out(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison that has come to its end."""
    folder = tmp_path_factory.mktemp("compare") / "runs"
    done = compared(recordings, folder, "--epochs", 1)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    (folder / "stderr.txt").write_text(done.stderr)
    return folder


def test_it_prints_a_table_a_verdict_and_what_to_do_next(out: Path) -> None:
    shown = (out / "stdout.txt").read_text()
    for words in (
        "every sample",
        "learned",
        "uniform",
        "random",
        "balanced accuracy",
        "Take ",
        "may be chance",
    ):
        assert words in shown
    take = json.loads((out / "results.json").read_text())["take"]
    (exported, bundle) = re.findall(r"next: skiprnn export (\S+) --out (\S+)", shown)[0]
    assert Path(exported).name.startswith(take["gate"].replace(" ", "-"))
    assert bundle.startswith("models/")


def test_events_are_compared_by_their_alarms_on_whole_recordings(tmp_path: Path) -> None:
    bumps_of_people(tmp_path / "data")
    options = ("target=events", "group=person", "held_out=0.5", "window=100", "sample_rate=10", "label=label")
    given = [word for option in options for word in ("--override", option)]
    rates = ("--update-rates", "0.5", "--epochs", 1)
    done = compared(tmp_path / "data", tmp_path / "out", *rates, *given)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (facts["metric"], facts["measured_on"]) == ("f1", "whole recordings")
    for words in ("F1, %", "false alarms per hour", "All figures are those on whole held-out recordings."):
        assert words in done.stdout
    every = json.loads((tmp_path / "out" / "every-sample-seed-0" / "training.json").read_text())
    assert facts["rows"][0]["mean"] == every["f1"]
    assert f"every sample, seed 0: F1 {every['f1']:.4g}, update rate 100.0%" in done.stderr


def test_each_run_that_ends_is_a_line_of_its_own_where_stderr_is_no_terminal(out: Path) -> None:
    lines = (out / "stderr.txt").read_text().splitlines()
    assert f"{RUNS} runs of 1 epochs" in lines
    ended = [line for line in lines if line.startswith("[")]
    assert [line.partition("]")[0] for line in ended] == [f"[{n}/{RUNS}" for n in range(1, RUNS + 1)]
    assert len([line for line in lines if "recordings to train on" in line]) == 1, "loaded once"


def test_the_run_to_take_is_exported_by_the_command_that_is_printed(out: Path, tmp_path: Path) -> None:
    exported = re.findall(r"next: skiprnn export (\S+)", (out / "stdout.txt").read_text())[0]
    main = [sys.executable, "-c", "import skiprnn_cli; skiprnn_cli.main()"]
    subprocess.run(
        [*main, "export", exported, "--out", tmp_path / "m.onnx"],
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert read(tmp_path / "m.onnx").info.period in {1, 2, 10}


def test_a_finished_run_is_not_trained_again(out: Path, recordings: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/network.safetensors")}
    again = compared(recordings, out, "--epochs", 1)
    assert again.returncode == 0, again.stderr
    assert f"{RUNS} of them finished before" in again.stderr
    assert len(before) == RUNS
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.stdout == (out / "stdout.txt").read_text()


def test_a_run_that_fails_is_named_with_its_last_line_and_the_others_go_on(
    out: Path, recordings: Path, tmp_path: Path
) -> None:
    runs = shutil.copytree(out, tmp_path / "runs")
    damaged, missing = runs / "learned-0.1-seed-0", runs / "uniform-0.5-seed-0"
    for run in (damaged, missing):
        (run / "training.json").unlink()
    (damaged / "checkpoints" / "last.ckpt").write_bytes(b"cut short")
    done = compared(recordings, runs, "--epochs", 1)
    assert done.returncode == 1
    assert re.search(
        r"learned at 10 %, seed 0 failed: ValueError: .*last\.ckpt: expected a checkpoint", done.stderr
    )
    assert f"1 of {RUNS} runs failed; the same command tries them again" in done.stderr
    assert (missing / "training.json").exists()
    assert "Take " in done.stdout


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_comparison_ends_its_runs_and_goes_on(
    recordings: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    more = ("--epochs", 12, "--update-rates", "0.5")
    with subprocess.Popen(command(recordings, tmp_path, *more), stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_for_a_checkpoint(tmp_path, process)
            process.send_signal(sent)
            printed = process.communicate(timeout=120)[1]
        finally:
            process.kill()
    assert process.returncode == 130
    assert re.search(r"error: interrupted; \d of 4 runs are finished; the same command goes on", printed)
    assert "Traceback" not in printed
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # no run is left behind
    epochs = {path: len(path.read_text().splitlines()) for path in tmp_path.glob("*/history.jsonl")}
    assert epochs
    done = compared(recordings, tmp_path, *more)
    assert done.returncode == 0, done.stderr
    for run in (path.parent for path in tmp_path.glob("*/training.json")):
        assert json.loads((run / "training.json").read_text())["epochs"] == 12
        assert len((run / "history.jsonl").read_text().splitlines()) == 12


def _wait_for_a_checkpoint(out: Path, process: "subprocess.Popen[str]") -> None:
    give_up = time.monotonic() + 300
    while not list(out.glob("*/checkpoints/last.ckpt")):
        assert process.poll() is None, "the command ended before its first epoch did"
        assert time.monotonic() < give_up, "no checkpoint was written"
        time.sleep(0.02)


def test_two_comparisons_do_not_train_into_one_folder(recordings: Path, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = compared(recordings, tmp_path, "--epochs", 1)
    assert done.returncode == 2
    assert "is still training into this folder" in done.stderr
    assert not list(tmp_path.glob("*/recipe.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "expected a folder or file of recordings, or one of adding, "),
        (
            ("adding", "--update-rates", "0.1;0.2"),
            "--update-rates: expected numbers with commas between, got '0.1;0.2'",
        ),
        (("adding", "--update-rates", "0.1,1.5"), "update rates: expected shares of the samples in (0, 1)"),
        (
            ("adding", "--update-rates", "0.0001"),
            "target_rate: expected 1/1024 at least, for max_skip is 1023",
        ),
        (
            ("adding", "--override", "target_rate=0.3"),
            "expected no target_rate, which the comparison sets itself",
        ),
        (("adding", "--override", "hiden_size=9"), "got 'hiden_size'; did you mean hidden_size?"),
        (("adding", "--override", "length=many"), "length: expected a whole number, got 'many'"),
        (("imdb",), "expected --data with train/pos"),
    ],
)
def test_a_bad_option_ends_before_any_training(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = rejected(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_recordings_that_changed_since_are_rejected(out: Path, recordings: Path) -> None:
    added = recordings / "6" / "recording.csv"
    added.parent.mkdir()
    try:
        added.write_bytes((recordings / "0" / "recording.csv").read_bytes())
        done = compared(recordings, out, "--epochs", 1)
    finally:
        added.unlink()
        added.parent.rmdir()
    assert done.returncode == 2
    assert "6/recording.csv is new" in done.stderr
