"""The examples say what is wrong in a line, and name their options as the commands do."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=EXAMPLES, input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["sensor_client.py", "camera_loop.py"])
def test_a_sample_rate_is_called_one(name: str) -> None:
    shown = run(name, "--help").stdout
    assert "--sample-rate" in shown
    assert "--rate" not in shown


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["raw_client.py", "ws://127.0.0.1:1/x"],
            "error: expected CSV with a header on standard input, got nothing",
        ),
        (["raw_client.py"], "usage: python examples/raw_client.py ws://"),
        (
            ["-c", "import sys; sys.modules['aiomqtt'] = None; import mqtt_bridge"],
            "error: aiomqtt is not installed",
        ),
    ],
)
def test_what_is_missing_is_said_in_a_line(arguments: list[str], reason: str) -> None:
    done = run(*arguments)
    assert done.returncode != 0
    assert done.stderr.startswith(reason)
    assert len(done.stderr.splitlines()) == 1
