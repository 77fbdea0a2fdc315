"""`skiprnn demo`: it serves the dashboard, opens it in a browser, and Ctrl-C ends it well."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from skiprnn_cli.demo import demo
from support.bundles import write_random_bundle

COMMAND = "from skiprnn_cli import main; main()"


def test_it_serves_the_page_until_ctrl_c(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    command = [sys.executable, "-c", COMMAND, "demo", "--no-open", "--models-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        page = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(page) as answer:
            assert b"<title>skiprnn</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stderr == ""


@pytest.mark.parametrize("wanted", [True, False])
def test_the_dashboard_is_opened_in_a_browser_unless_no_open_is_given(
    monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    opened = list[str]()
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("threading.Thread.start", lambda thread: thread.run())
    serve = "skiprnn_service.server.uvicorn_server.serve"
    monkeypatch.setattr(serve, lambda settings, on_started: on_started(8123, []))  # noqa: ARG005
    demo(open_page=wanted, models_dir=None, port=0)
    assert opened == (["http://127.0.0.1:8123/"] if wanted else [])


def test_a_model_folder_that_is_not_there_ends_the_command_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COMMAND, "demo", "--no-open", "--models-dir", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: models_dir: expected a folder")


def test_a_port_that_is_taken_ends_the_command_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-c", COMMAND, "demo", "--no-open", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: port {port} of 127.0.0.1 is taken: --port ")
    assert len(done.stderr.splitlines()) == 1
