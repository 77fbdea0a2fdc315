"""The scripts in examples/, run as a user runs them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.fake_server import fake_server

ROOT = Path(__file__).parents[2]
LABELLED = ROOT / "service/skiprnn_service/bundles/watch.recording.csv"
EXERCISE = ROOT / "service/skiprnn_service/page/exercise.csv"


def run(script: str, *arguments: str | Path) -> str:
    command = [sys.executable, ROOT / "examples" / script, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_shipped_exercise_is_what_the_script_makes(tmp_path: Path) -> None:
    assert "1930 samples, 38.6 s" in run("make_exercise.py", tmp_path / "made.csv")
    made, shipped = ((tmp_path / "made.csv").read_text(), EXERCISE.read_text())
    assert made.splitlines()[0] == shipped.splitlines()[0] == "ax,ay,az,gx,gy,gz"
    # sin and cos may differ in the last digit from one machine to another
    assert np.allclose(_samples(made), _samples(shipped), atol=0.002)


def test_the_recording_of_the_shipped_watch_is_the_exercise_with_its_labels(tmp_path: Path) -> None:
    run("make_exercise.py", tmp_path / "made.csv", "--labels")
    made, shipped = ((tmp_path / "made.csv").read_text(), LABELLED.read_text())
    samples, labels = zip(*(line.rsplit(",", 1) for line in shipped.splitlines()), strict=True)
    assert "\n".join(samples) == EXERCISE.read_text().rstrip()
    assert [line.rsplit(",", 1)[1] for line in made.splitlines()] == list(labels)
    assert {*labels[1:]} == {"forward elevation", "upright row", "pendulum", ""}


def _samples(text: str) -> NDArray[np.float64]:
    return np.loadtxt(text.splitlines(), delimiter=",", skiprows=1)


def test_another_seed_is_another_person(tmp_path: Path) -> None:
    run("make_exercise.py", tmp_path / "other.csv", "--seed", "1")
    other, shipped = (_samples(path.read_text()) for path in (tmp_path / "other.csv", EXERCISE))
    assert other.shape == shipped.shape
    assert np.abs(other - shipped).max() > 0.5


def test_the_sensor_client_measures_only_what_is_read(tmp_path: Path) -> None:
    recording = tmp_path / "run.csv"
    recording.write_text("a,b,c\n" + "1,2,3\n" * 12)
    with fake_server(every=5) as server:
        out = run("sensor_client.py", server.url, recording, "--sample-rate", "1000")
    assert [message.t for message in server.streams[0].messages[:-1]] == [0, 5, 10]
    assert "0.00 s  high  100%" in out
    assert "measured 3 of 12 samples" in out


def test_the_camera_takes_only_frames_that_are_read() -> None:
    with fake_server(every=5) as server:
        out = run("camera_loop.py", server.url, "--frames", "12", "--sample-rate", "1000").splitlines()
    assert [line.partition(":")[0] for line in out[:-1]] == ["frame 0", "frame 5", "frame 10"]
    assert out[-1] == "took 3 of 12 frames"
    assert [message.t for message in server.streams[1].messages[:-1]] == [0, 5, 10]
