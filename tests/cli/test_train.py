"""`skiprnn train`: from a task's name to a folder that exports."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from skiprnn import tasks
from skiprnn_cli.plot import plot
from skiprnn_cli.renamed import command_class
from skiprnn_cli.train import RENAMED, TASKS, _shift_of_gate, train
from skiprnn_export.step import export
from support.messy import messy

TINY = ("--override", "batch_size=8", "--hidden", "4", "--epochs", "1", "--override", "length=10", "--quiet")
_GIVE_UP_SECONDS = 300  # on what ends in a few, also where every core is busy

app = typer.Typer()
app.command(cls=command_class(RENAMED))(train)
app.command()(plot)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def trained(out: Path, *arguments: object) -> dict[str, Any]:
    result = run("train", "adding", "--out", out, *TINY, *arguments)
    assert result.exit_code == 0, result.output
    results: dict[str, Any] = json.loads((out / "training.json").read_text())
    return results


def recipe(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "recipe.json").read_text())
    return read


def test_a_trained_run_exports(tmp_path: Path) -> None:
    results = trained(tmp_path / "run")
    report = export(tmp_path / "run", tmp_path / "adding.onnx")
    assert report.bundle.info.training["mean_squared_error"] == results["mean_squared_error"]
    assert report.real_sequences == 8
    assert report.parity.passed


def test_the_last_line_says_what_to_do_next(tmp_path: Path) -> None:
    result = run("train", "adding", "--out", tmp_path, *TINY)
    assert f"skiprnn export {tmp_path} --out models/{tmp_path.name}.onnx" in result.output.replace("\n", "")
    assert result.output.endswith("      skiprnn serve --models-dir models/\n")


@pytest.mark.parametrize(("trained", "said"), [(0.44, True), (0.0, True), (0.26, False), (0.24, False)])
def test_a_large_shift_of_the_gate_is_explained(trained: float, said: bool) -> None:
    found = _shift_of_gate({"calibration": {"trained_rate": trained, "rate": 0.25, "shift": -0.3}})
    assert ("shifted by -0.30, to 25.0%" in found.get("calibration", "")) == said
    assert ("train for more epochs" in found.get("calibration", "")) == said
    assert _shift_of_gate({"calibration": None}) == {}


def test_the_help_lists_the_tasks() -> None:
    assert TASKS == tasks.NAMES
    shown = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["train", "--help"]).stdout
    assert ", ".join(tasks.NAMES) in shown


def shown_by(out: Path, *, terminal: bool) -> tuple[str, str]:
    """Standard output and standard error of a training of three epochs, the latter a terminal or a pipe."""
    command = [
        sys.executable,
        "-c",
        "from skiprnn_cli import main; main()",
        "train",
        "adding",
        "--out",
        str(out),
    ]
    command += [*TINY[:-1], "--epochs", "3"]
    ours, theirs = pty.openpty() if terminal else os.pipe()
    if terminal:
        termios.tcsetwinsize(theirs, (24, 200))
    with open(ours, errors="replace") as err:  # noqa: PTH123
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        read = []
        with suppress(OSError):  # how Linux ends the reading of a terminal
            while text := err.read(1):
                read.append(text)
        return process.communicate(timeout=120)[0], "".join(read)


def test_a_terminal_shows_a_progress_bar_with_the_update_rate(tmp_path: Path) -> None:
    out, err = shown_by(tmp_path / "run", terminal=True)
    assert {"update_rate", "step_update_rate"} <= set(re.findall(r"([a-z_]+)=[\d.]+", err))
    assert " rate=" not in err
    assert "epoch 1 of 3" not in err
    assert "Epoch" not in out, "results alone"


def test_a_pipe_gets_a_line_an_epoch(tmp_path: Path) -> None:
    out, err = shown_by(tmp_path / "run", terminal=False)
    said = r"epoch (\d) of 3: mean squared error [\d.e-]+, update rate [\d.]+%, loss [\d.e-]+, [\d.]+ s"
    assert re.findall(rf"^{said}$", err, re.M) == ["1", "2", "3"]
    assert "\r" not in err + out
    assert "epoch 1 of" not in out


def test_quiet_shows_no_progress(tmp_path: Path) -> None:
    result = run("train", "adding", "--out", tmp_path / "run", *TINY)
    assert "epoch 1 of" not in result.output


def test_flags_and_settings_reach_the_recipe(tmp_path: Path) -> None:
    flags = (
        "--cell",
        "gru",
        "--lambda",
        "2e-4",
        "--ramp",
        "0.5",
        "--max-skip",
        "7",
        "--lr",
        "0.01",
        "--seed",
        "3",
    )
    trained(tmp_path, *flags, "--override", "gate_bias=-1")
    read = recipe(tmp_path)
    expected = {"cell": "gru", "lambda_": 2e-4, "ramp": 0.5, "max_skip": 7, "learning_rate": 0.01, "seed": 3}
    assert {name: read[name] for name in expected} == expected
    assert read["gate_bias"] == -1
    assert read["options"] == {"length": 10}


def test_the_papers_settings_are_one_flag_away(tmp_path: Path) -> None:
    trained(tmp_path, "--paper")
    paper = tasks.find("adding").paper
    assert recipe(tmp_path)["learning_rate"] == paper.learning_rate == 1e-4
    assert recipe(tmp_path)["learning_rate_schedule"] == "constant"


def test_an_update_rate_takes_the_place_of_lambda(tmp_path: Path) -> None:
    trained(tmp_path, "--update-rate", "0.5")
    assert (recipe(tmp_path)["target_rate"], recipe(tmp_path)["lambda_"]) == (0.5, 0.0)


def test_a_fixed_schedule_updates_at_its_rate(tmp_path: Path) -> None:
    results = trained(tmp_path, "--update-rate", "0.5", "--schedule", "uniform")
    assert results["update_rate"] == 0.5
    assert results["schedule"] == results["cadence"] == "uniform"


@pytest.mark.parametrize("schedule", ["uniform", "random"])
def test_a_baseline_exports_and_the_last_line_says_how(tmp_path: Path, schedule: str) -> None:
    out = tmp_path / "run"
    result = run("train", "adding", "--out", out, *TINY, "--update-rate", "0.2", "--schedule", schedule)
    assert f"skiprnn export {out} --out models/run.onnx" in result.output.replace("\n", "")
    report = export(out, tmp_path / "adding.onnx")
    assert report.bundle.info.gate == "uniform, every 5 samples"
    assert report.parity.passed


def test_a_schedule_that_waits_longer_than_the_cap_ends_before_training(tmp_path: Path) -> None:
    rate = ("--update-rate", "0.05", "--schedule", "uniform", "--max-skip", "9")
    result = run("train", "adding", "--out", tmp_path / "run", *TINY, *rate)
    assert result.exit_code == 2
    assert "target_rate: expected 1/10 at least, for max_skip is 9, got 0.05" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_adds_one_line_to_the_results_file(tmp_path: Path) -> None:
    file = tmp_path / "results" / "adding.jsonl"
    results = [trained(tmp_path / str(seed), "--seed", seed, "--results-file", file) for seed in (0, 1)]
    trained(tmp_path / "1", "--seed", 1, "--results-file", file, "--resume")
    assert [json.loads(line) for line in file.read_text().splitlines()] == results


def test_a_run_resumes(tmp_path: Path) -> None:
    trained(tmp_path)
    again = run("train", "adding", "--out", tmp_path, *TINY)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert trained(tmp_path, "--resume", "--epochs", "2")["epochs"] == 2


def test_what_differs_from_the_run_that_is_resumed_is_named_alone(tmp_path: Path) -> None:
    trained(tmp_path)
    result = run("train", "adding", "--out", tmp_path, *TINY, "--resume", "--override", "length=12")
    assert result.exit_code == 2
    assert "got other values (length: was 10, now 12); give the command with which it began" in result.stderr


@pytest.mark.timeout(3 * _GIVE_UP_SECONDS)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_goes_on(tmp_path: Path, sent: signal.Signals) -> None:
    out = tmp_path / "run"
    program = [sys.executable, "-c", "import skiprnn_cli; skiprnn_cli.main()"]
    command = [*program, "train", "adding", "--out", str(out), *TINY, "--epochs", "10000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_for(out / "checkpoints" / "last.ckpt", process)
            process.send_signal(sent)
            printed = process.communicate(timeout=_GIVE_UP_SECONDS)[1]
        finally:
            process.kill()
    assert process.returncode == 1, "a script that waits for it must not take it for trained"
    assert f"{out}: interrupted in epoch" in printed
    assert not (out / "training.json").exists()
    begun = len((out / "history.jsonl").read_text().splitlines())
    assert trained(out, "--resume", "--epochs", begun + 1)["epochs"] == begun + 1


def test_a_training_that_diverges_ends_with_one_line(tmp_path: Path) -> None:
    result = run("train", "adding", "--out", tmp_path / "run", *TINY, "--lr", "1e30")
    assert result.exit_code == 1
    (said,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert f"{tmp_path / 'run'}: epoch 1 of 1: expected a finite training loss in batch 2 of " in said
    assert "try a learning_rate below 1e+30" in said
    assert not (tmp_path / "run" / "training.json").exists()


def _wait_for(file: Path, process: "subprocess.Popen[str]") -> None:
    give_up = time.monotonic() + _GIVE_UP_SECONDS
    while not file.exists():
        assert process.poll() is None, "the command ended before its first epoch did"
        assert time.monotonic() < give_up, f"{file} was not written"
        time.sleep(0.05)


def test_the_users_own_recordings_are_trained_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(4):
        columns = {"x [V]": np.sin(np.arange(40) * (number % 2 + 1)), "label": "ab"[number % 2]}
        pd.DataFrame(columns).to_csv(tmp_path / "data" / f"{number}.csv", index=False)
    tiny = ("--epochs", "1", "--hidden", "4", "--override", "batch_size=4", "--quiet")
    result = run("train", "recordings", "--data", tmp_path / "data", "--out", tmp_path / "run", *tiny)
    assert result.exit_code == 0, result.output


CSV = ("--epochs", "1", "--hidden", "4", "--override", "batch_size=4", "--quiet")


def make_recordings(folder: Path, count: int = 4) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        columns = {"0": np.sin(np.arange(40) * (number % 2 + 1)), "site": "here", "label": "ab"[number % 2]}
        pd.DataFrame(columns).to_csv(folder / f"{number}.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("columns=1", "0.csv: expected the columns ['1'], found none named ['1']"),
        ("window=abc", "window: expected a whole number, got 'abc'"),
        ("held_out=abc", "held_out: expected a number, got 'abc'"),
        ("sample_rate=50Hz", "sample_rate: expected a number, got '50Hz'"),
        ("hidden_size=abc", "hidden_size: expected a whole number, got 'abc'"),
    ],
)
def test_an_override_of_another_type_is_rejected_before_training(
    tmp_path: Path, override: str, message: str
) -> None:
    data = make_recordings(tmp_path / "data")
    result = run(
        "train", "recordings", "--data", data, "--out", tmp_path / "run", *CSV, "--override", override
    )
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_column_may_be_called_a_number_and_what_is_taken_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = make_recordings(tmp_path / "data")
    (data / "notes.txt").write_text("about them")
    result = run(
        "train", "recordings", "--data", data, "--out", tmp_path / "run", *CSV, "--override", "columns=0"
    )
    assert result.exit_code == 0, result.output
    assert recipe(tmp_path / "run")["options"]["columns"] == "0"
    again = run("train", "recordings", "--data", data, "--out", tmp_path / "again", *CSV)
    assert again.exit_code == 0, again.output
    for words in (
        "channels     0\n",
        "left out     site (words)",
        "passed over  notes.txt (text without columns)",
    ):
        assert words in caplog.text


def test_a_messy_folder_is_trained_on_and_what_is_taken_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Mixed rates, dialects, gaps, packed files, times and identity columns; the data set is made by a script."""
    options = ("missing=interpolate", "group=subject", "window=128")
    given = [word for option in options for word in ("--override", option)]
    data = messy(tmp_path / "data")
    result = run("train", "recordings", "--data", data, "--out", tmp_path / "run", *CSV, *given)
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["features"] == [{"name": "ax", "unit": "g"}, {"name": "pressure", "unit": "hPa"}]
    assert (config["sample_rate"], config["classes"]) == (50.0, ["rest", "walk"])
    for words in (
        "left out     time (the time), sample (a count), firmware (never changes within a recording)",
        "recordings   25 recordings in 24 files: 2 min 23 s, each 2 s to 6 s",
        "measured 25 Hz in 6 recordings, 50 Hz in 12 recordings, 100 Hz in 6 recordings; all are resampled to 50 Hz",
        "gaps         7 samples interpolated; 1 recording cut into 2",
        "groups       4, by 'subject'",
        "sorted       s2/rest_14.tsv by 'time'",
        "target       'label': one class a recording",
        "rest  3,594 samples in 12 recordings",
        "passed over  notes.txt",
    ):
        assert words in caplog.text


def test_one_large_table_is_trained_on(tmp_path: Path) -> None:
    t = np.arange(60) / 50
    frames = [
        pd.DataFrame(
            {"trial": trial, "t": t, "x [V]": np.sin(9 * t * (1 + trial % 2)), "kind": "ab"[trial % 2]}
        )
        for trial in range(6)
    ]
    pd.concat(frames).to_csv(tmp_path / "all.csv", sep=";", decimal=",")
    given = ("--override", "recording=trial", "--override", "label=kind")
    out, data = tmp_path / "run", tmp_path / "all.csv"
    result = run("train", "recordings", "--data", data, "--out", out, *CSV, *given)
    assert result.exit_code == 0, result.output
    recordings = json.loads((out / "recordings.json").read_text())
    assert sorted(recordings) == [f"all.csv:{trial}" for trial in range(6)]
    resumed = run(
        "train", "recordings", "--data", data, "--out", out, *CSV, *given, "--resume", "--epochs", "2"
    )
    assert resumed.exit_code == 0, resumed.output
    with data.open("a") as file:
        file.write("60;0;1,20;0,5;a\n")
    other = run(
        "train", "recordings", "--data", data, "--out", out, *CSV, *given, "--resume", "--epochs", "3"
    )
    assert other.exit_code == 2
    assert "all.csv:0 has changed" in other.stderr


def test_the_old_name_of_the_task_is_taken_with_a_warning(tmp_path: Path) -> None:
    data, out = make_recordings(tmp_path / "data"), tmp_path / "run"
    result = run("train", "csv", "--data", data, "--out", out, *CSV)
    assert result.exit_code == 0, result.output
    assert "the task csv is now recordings" in result.stderr
    assert recipe(out)["task"] == "recordings"


def test_a_run_that_an_earlier_release_began_is_resumed(tmp_path: Path) -> None:
    """It knew the task as csv, and fewer options."""
    data, out = make_recordings(tmp_path / "data"), tmp_path / "run"
    assert run("train", "recordings", "--data", data, "--out", out, *CSV).exit_code == 0
    begun = recipe(out)
    known = ("label", "group", "columns", "window", "joined", "held_out", "sample_rate")
    begun |= {"task": "csv", "options": {name: begun["options"][name] for name in known}}
    (out / "recipe.json").write_text(json.dumps(begun))
    command = ("train", "recordings", "--data", data, "--out", out, *CSV, "--resume", "--epochs", "2")
    other = run(*command, "--override", "missing=hold")
    assert other.exit_code == 2
    assert "missing: was 'error', now 'hold'" in other.stderr
    result = run(*command)
    assert result.exit_code == 0, result.output


def test_a_run_is_not_resumed_after_a_recording_was_added(tmp_path: Path) -> None:
    data, out = make_recordings(tmp_path / "data"), tmp_path / "run"
    assert run("train", "recordings", "--data", data, "--out", out, *CSV).exit_code == 0
    make_recordings(data, 5)
    result = run("train", "recordings", "--data", data, "--out", out, *CSV, "--resume", "--epochs", "2")
    assert result.exit_code == 2
    assert "4.csv is new" in result.stderr
    (data / "4.csv").unlink()
    data = data.rename(tmp_path / "elsewhere")
    resumed = run("train", "recordings", "--data", data, "--out", out, *CSV, "--resume", "--epochs", "2")
    assert resumed.exit_code == 0, resumed.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("guessing",), "task: expected one of adding"),
        (("adding", "--update-rate", "0.5", "--lambda", "1e-4"), "expected one of them"),
        (("adding", "--schedule", "uniform"), "--schedule: expected an --update-rate"),
        (("adding", "--update-rate", "25"), "got 25; 25 % is --update-rate 0.25"),
        (("adding", "--update-rate", "-1"), "target_rate: expected a share"),
        (("adding", "--override", "length"), "--override: expected name=value"),
        (
            ("adding", "--override", "speed=1"),
            "expected names among the options of adding (length) and the fields",
        ),
        (("adding", "--override", "lenght=9"), "got 'lenght'; did you mean length?"),
        (("adding", "--override", "hiden_size=9"), "got 'hiden_size'; did you mean hidden_size?"),
        (("adding", "--max-skip", "16384"), "max_skip: expected 1 to 16383 samples, got 16384"),
        (("imdb",), "expected --data with train/pos"),
        (("adding", "--warm-start", "nowhere"), "expected a network directory"),
        (("adding", "--override", "hidden_size=0"), "hidden_size: expected at least 1, got 0"),
        (("adding", "--cell", "rnn"), "cell: expected one of"),
    ],
)
def test_what_cannot_be_trained_ends_with_the_reason(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = run("train", *arguments, "--out", tmp_path / "run", "--quiet")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "run").exists()


def test_old_options_and_overrides_work_with_a_warning(tmp_path: Path) -> None:
    old = ("--rate", "0.5", "--cadence", "uniform", "--journal", tmp_path / "results.jsonl")
    old_overrides = ("--set", "schedule=cosine", "--override", "gate_scale=0")
    result = run("train", "adding", "--out", tmp_path / "run", *TINY, *old, *old_overrides)
    assert result.exit_code == 0, result.output
    for old_name, new_name in (
        ("--rate", "--update-rate"),
        ("--cadence", "--schedule"),
        ("--journal", "--results-file"),
        ("--set", "--override"),
        ("--override schedule", "--override learning_rate_schedule"),
        ("--override gate_scale", "--override gate_init_scale"),
    ):
        warning = f"warning: {old_name} is now {new_name}; {old_name} will be removed in the next release"
        assert warning in result.stderr
    expected = {"target_rate": 0.5, "schedule": "uniform", "gate_init_scale": 0}
    read = recipe(tmp_path / "run")
    assert {name: read[name] for name in expected} == expected
    assert read["learning_rate_schedule"] == "cosine"
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 1


NEW_FIELDS = {"rate_penalty", "rate_dual_step", "start_rate", "calibrate_rate"}


def as_earlier_release(out: Path) -> None:
    """Rename what the run wrote to the names of the release before."""
    names = {
        "lambda_": "budget",
        "target_rate": "rate",
        "schedule": "cadence",
        "learning_rate_schedule": "schedule",
        "gate_init_scale": "gate_scale",
        "init_as_periodic": "clock_start",
    }
    fields = {names.get(name, name): value for name, value in recipe(out).items() if name not in NEW_FIELDS}
    fields |= {"rate_weight": 0.02, "rate_gain": 2e-6}
    (out / "recipe.json").write_text(json.dumps(fields))
    results = json.loads((out / "training.json").read_text())
    del results["target_rate"], results["schedule"]
    (out / "training.json").write_text(json.dumps(results))
    last = out / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    state = checkpoint["state_dict"]
    state["pressure"] = state.pop("rate_controller.multiplier")
    del state["rate_controller.error"]
    torch.save(checkpoint, last)


def test_a_run_of_an_earlier_release_resumes_to_the_same_bits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("old", "new"):
        trained(tmp_path / name, "--lambda", "1e-4")
    as_earlier_release(tmp_path / "old")
    for name in ("old", "new"):
        assert trained(tmp_path / name, "--lambda", "1e-4", "--resume", "--epochs", "2")["epochs"] == 2
    old, new = ((tmp_path / name / "network.safetensors").read_bytes() for name in ("old", "new"))
    assert old == new
    assert "rate is now target_rate" in caplog.text
    assert "learning_rate_schedule" in recipe(tmp_path / "old")


@pytest.mark.parametrize("epochs", ["1", "2"])
def test_a_run_of_an_earlier_release_with_a_target_rate_is_rejected_and_left_as_it_was(
    tmp_path: Path, epochs: str
) -> None:
    """Its loss was another one."""
    rate = ("--update-rate", "0.5", "--epochs", epochs)
    trained(tmp_path, "--update-rate", "0.5")
    as_earlier_release(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = run("train", "adding", "--out", tmp_path, *TINY, *rate, "--resume")
    assert result.exit_code == 2
    assert (
        "one that an earlier release began, which charges (r − μ)² (rate_gain: 2e-06, rate_weight: 0.02)"
        in (result.stderr)
    )
    assert "finish it with that release, or choose another --out" in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_finished_run_of_an_earlier_release_is_reported_drawn_and_added_once(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    trained(tmp_path / "run", "--results-file", file)
    as_earlier_release(tmp_path / "run")
    file.write_text(json.dumps(json.loads((tmp_path / "run" / "training.json").read_text())) + "\n")
    again = ("--resume", "--results-file", file)
    result = run("train", "adding", "--out", tmp_path / "run", *TINY, *again)
    assert result.exit_code == 0, result.output
    assert len(file.read_text().splitlines()) == 1
    for runs in ([tmp_path / "run"], [tmp_path / "run", tmp_path / "run"]):
        assert run("plot", *runs, "--out", tmp_path / "pictures").exit_code == 0
