"""`skiprnn COMMAND | head -1`: whoever reads standard output leaves, and no command complains."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from skiprnn_service.auth import api_keys
from support.bundles import random_sequence, write_random_bundle
from support.redis_server import free_port
from support.servers import Running, serving

PROGRAM = (sys.executable, "-c", "from skiprnn_cli import main; main()")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """models/watch.onnx, recording.npy, sequences.npy, keys.json, run/."""
    found = tmp_path_factory.mktemp("folder")
    (found / "models").mkdir()
    bundle = write_random_bundle(found / "models" / "watch.onnx")
    x = random_sequence(bundle, 2000)
    np.save(found / "recording.npy", x)
    np.save(found / "sequences.npy", x.reshape(10, 200, -1))
    api_keys.add(found / "keys.json", "alice", ("stream",))
    return found


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    with serving(folder / "models") as running:
        yield running


def start(folder: Path, *arguments: str, **pipes: Any) -> "subprocess.Popen[str]":
    """A command whose standard output nobody reads."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        return subprocess.Popen(
            [*PROGRAM, *arguments], cwd=folder, stdout=theirs, stderr=subprocess.PIPE, text=True, **pipes
        )
    finally:
        os.close(theirs)


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "--version",
        "serve --help",
        "inspect models/watch.onnx",
        "inspect models/watch.onnx --json",
        "keys list --file keys.json",
        "score models/watch.onnx sequences.npy -o scores.json",
        "score models/watch.onnx sequences.npy -o scores.npz --json",
        "stream URL --input recording.npy",
        "stream URL --input recording.npy --json",
        "bench URL --streams 2 --seconds 0.1 --warm-up 0",
        "healthcheck --url HTTP",
    ],
)
def test_a_command_whose_reader_has_left_ends_without_a_word(
    folder: Path, server: Running, command: str
) -> None:
    command = command.replace("URL", server.url()).replace("HTTP", server.http)
    process = start(folder, *command.split())
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 1


def test_the_commands_of_a_training_end_without_a_word(folder: Path) -> None:
    """`train` says on standard error what it trains with, and that alone."""
    options = "--epochs 1 --hidden 4 --quiet --override length=10"
    trained = start(folder, *f"train adding --out run {options}".split())
    (line,) = trained.communicate(timeout=200)[1].splitlines()
    assert line.startswith("unrolls on ")
    assert (folder / "run" / "training.json").is_file()
    for command in ("export run --out m.onnx", "export run --out m.onnx --json", "plot run --out plots"):
        process = start(folder, *command.split())
        assert (process.communicate(timeout=120)[1], process.returncode) == ("", 1), command


def test_both_outputs_may_be_left(folder: Path) -> None:
    """As by `2>&1 | head -1`."""
    ours, theirs = os.pipe()
    os.close(ours)
    for command in (
        "inspect models/watch.onnx",
        "inspect nothing.onnx",
        "stream nowhere --input nothing.csv",
    ):
        process = subprocess.run([*PROGRAM, *command.split()], cwd=folder, stdout=theirs, stderr=theirs)
        assert process.returncode in (1, 2)
    os.close(theirs)


def ready(port: int) -> int | None:
    """The status of a server's answer; None: nobody is there yet."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code
    except httpx.ConnectError:
        return None


@pytest.mark.parametrize("command", ["serve --port PORT --models-dir models", "demo --no-open --port PORT"])
def test_a_server_goes_on_without_a_reader(folder: Path, command: str) -> None:
    port = free_port()
    process = start(folder, *command.replace("PORT", str(port)).split())
    give_up = time.monotonic() + 200
    try:
        while (status := ready(port)) is None and process.poll() is None:
            assert time.monotonic() < give_up, "the server was not ready"
            time.sleep(0.1)
        assert status == 200
    finally:
        process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert "Error" not in said, said
