"""`skiprnn serve` as a user runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from skiprnn_cli import app
from skiprnn_cli.serve import _print_address
from skiprnn_service.settings import RENAMED, Settings, load
from support.bundles import write_random_bundle
from support.serve_command import address, start


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_random_bundle(tmp_path / "watch.onnx", name="watch")
    return tmp_path


def test_it_prints_its_address_serves_and_drains_on_sigterm(models: Path) -> None:
    process = start("--models-dir", str(models), "--port", "0", "--drain-seconds", "0.1")
    try:
        http = address(process)
        assert httpx.get(f"{http}/v2/health/ready").json()["ready"]
        url = http.replace("http", "ws") + "/v1/models/watch/stream"
        with connect(url) as socket:
            assert "ready" in str(socket.recv())
            process.send_signal(signal.SIGTERM)
            assert "go_away" in str(socket.recv(10))
            with pytest.raises(ConnectionClosedError) as closed:
                socket.recv(10)
            assert closed.value.rcvd
            assert closed.value.rcvd.code == 1012
        assert process.wait(15) == -signal.SIGTERM, "after the drain uvicorn ends as the signal would have"
    finally:
        process.kill()
        process.communicate()


def test_it_never_imports_torch_and_switches_telemetry_off(models: Path) -> None:
    code = f"""
import os, sys, threading, signal
import skiprnn_cli
def look():
    assert "torch" not in sys.modules
    assert "onnxruntime" in sys.modules
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    print("looked")
    os.kill(os.getpid(), signal.SIGTERM)
from skiprnn_service.server import uvicorn_server as server
server.serve, serve = lambda s, on_started: serve(s, on_started=lambda *_: look()), server.serve
sys.argv = ["skiprnn", "serve", "--models-dir", {str(models)!r}, "--port", "0", "--drain-seconds", "0"]
skiprnn_cli.main()
"""
    environment = {k: v for k, v in os.environ.items() if k not in ("CI", "ORT_DISABLE_TELEMETRY")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "looked" in done.stdout, done.stderr


def test_every_setting_has_a_flag() -> None:
    result = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for name, field in Settings.model_fields.items():
        assert "--" + name.replace("_", "-") in result.output
        assert (field.description or "?").split(",")[0][:30] in result.output


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "99999"], "port"),
        (["--port", "many"], "--port"),
        (["--config", "no_such.toml"], "no_such.toml"),
        (["--host", "0.0.0.0"], "allow_unauthenticated"),
        (["--device", "cuda"], "install the extra gpu in place of serve"),
        (["--store-url", "mysql://there"], "mysql"),
        (["--api-keys-file", "no_such.json"], "no_such.json"),
        (["--websocket-impl", "quick"], "'fast' or 'asgi'"),
        (["--websocket-impl", "direct"], "'fast' or 'asgi'"),
        (["--ssl-keyfile", __file__], "ssl_keyfile: expected a certificate too (ssl_certfile)"),
        (["--ssl-certfile", "no_such.pem"], "ssl_certfile: expected a PEM file, found none at no_such.pem"),
        (["--ssl-certfile", __file__], f"expected a certificate and its key (PEM) in {__file__}"),
        (["--allowed-digests", "/bin/true"], "allowed_digests: /bin/true: expected text in UTF-8"),
        (["--ticket-secret-file", "/"], "ticket_secret_file: Is a directory: '/'"),
        (["--api-keys-file", ""], "api_keys_file: expected a path, got an empty value"),
    ],
)
def test_what_cannot_be_set_is_said_and_ends_with_2(flags: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["serve", *flags])
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_setting_under_its_old_name_is_a_hidden_flag_that_warns(old: str, new: str) -> None:
    old, new = ("--" + name.replace("_", "-") for name in (old, new))
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "300"})
    assert new in shown.stdout
    assert f"{old} " not in shown.stdout
    result = CliRunner().invoke(app, ["serve", old, "1", "--port", "99999"])
    assert result.exit_code == 2
    warning, error = result.stderr.splitlines()
    assert warning == f"warning: {old} is now {new}; {old} will be removed in the next release"
    assert error.startswith("error: ")


@pytest.mark.parametrize("old", [["--websocket", "direct"], ["--websocket=direct"]])
def test_a_value_of_the_old_release_is_taken_for_the_new_one(old: list[str]) -> None:
    result = CliRunner().invoke(app, ["serve", *old, "--port", "99999"])
    assert "websocket_impl" not in result.stderr
    assert "error: port: " in result.stderr


def test_a_port_that_is_taken_ends_the_command(models: Path) -> None:
    first = start("--models-dir", str(models), "--port", "0")
    try:
        port = address(first).rpartition(":")[2]
        second = start("--models-dir", str(models), "--port", port)
        output, _ = second.communicate(timeout=30)
        assert second.returncode
        taken = (
            f"error: port {port} of 127.0.0.1 is taken: --port {int(port) + 1}, or --port 0 for a free one\n"
        )
        assert output == taken
    finally:
        first.kill()
        first.communicate()


def shown(capsys: pytest.CaptureFixture[str], models: list[str], **flags: Any) -> list[str]:
    """The addresses, as they are printed."""
    _print_address(load(**flags), 8000, models)
    return [line.strip() for line in capsys.readouterr().out.splitlines() if line]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1:8000"),
        ("0.0.0.0", "127.0.0.1:8000"),
        ("::1", "[::1]:8000"),
        ("::", "[::1]:8000"),
        ("edge.example", "edge.example:8000"),
    ],
)
@pytest.mark.parametrize(("certificate", "secure"), [(None, ""), ("cert.pem", "s")])
def test_the_addresses_are_those_that_work(
    capsys: pytest.CaptureFixture[str], host: str, address: str, certificate: str | None, secure: str
) -> None:
    dashboard, stream = shown(capsys, ["digits"], host=host, ssl_certfile=certificate)
    assert dashboard == f"dashboard  http{secure}://{address}/"
    assert f" stream ws{secure}://{address}/v1/models/digits/stream --input RECORDING.csv" in stream


def test_the_model_of_the_command_is_one_that_is_served(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "/v1/models/watch/stream --sample-rate 50" in shown(capsys, ["digits", "watch"])[1]
    assert "exercise.csv" not in shown(capsys, ["mine", "other"])[1]
    nothing = shown(capsys, [], models_dir=tmp_path)[1]
    assert nothing.startswith(f"stream     no bundle in {tmp_path}: ")
    assert nothing.endswith(f" export RUN --out {tmp_path}/NAME.onnx")


def test_an_empty_folder_is_said_to_be_empty_by_the_command(tmp_path: Path) -> None:
    process = start("--models-dir", str(tmp_path), "--port", "0", "--drain-seconds", "0")
    try:
        address(process)
        assert process.stdout
        assert f"no bundle in {tmp_path}" in process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_warnings_of_the_settings_are_lines_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("threads = 2\n")
    result = CliRunner(env={"SKIPRNN_STORE": "memory", "SKIPRNN_MAX_BACH": "1"}).invoke(
        app, ["serve", "--config", str(tmp_path / "server.toml"), "--port", "99999"]
    )
    removed = "will be removed in the next release"
    assert result.stderr.splitlines()[:-1] == [
        "warning: the variable SKIPRNN_MAX_BACH is not a setting; did you mean SKIPRNN_MAX_BATCH?",
        f"warning: SKIPRNN_STORE is now SKIPRNN_STORE_URL; SKIPRNN_STORE {removed}",
        f"warning: threads is now intra_op_threads; threads {removed}",
    ]


def test_a_model_folder_that_is_not_there_ends_the_command(tmp_path: Path) -> None:
    process = start("--models-dir", str(tmp_path / "none"), "--port", "0")
    output, _ = process.communicate(timeout=30)
    assert process.returncode
    assert "models_dir: expected a folder" in output


@pytest.mark.parametrize(("status", "made"), [(0, True), (130, True), (1, False)])
def test_make_serve_ends_without_an_error_after_ctrl_c(tmp_path: Path, status: int, made: bool) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", "bin/skiprnn", ".serve"):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["make", "serve", f"VENV={tmp_path}"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is made, done.stderr
    assert ("Error" in done.stderr) is not made


def not_a_database(folder: Path) -> str:
    (folder / "other.db").write_bytes(b"not a database" * 100)
    return f"sqlite:///{folder}/other.db"


@pytest.mark.parametrize(
    ("store", "reason"),
    [
        (lambda _: "sqlite:///no/such/folder/streams.db", "sqlite:////PATH is absolute"),
        (lambda folder: f"sqlite:///{folder}", "expected a file, got a folder"),
        (not_a_database, "file is not a database"),
        (lambda _: "redis://127.0.0.1:1/0", "127.0.0.1:1"),
    ],
)
def test_a_store_that_cannot_be_written_ends_it_at_the_start_in_one_line(
    models: Path, store: Callable[[Path], str], reason: str
) -> None:
    process = start("--models-dir", str(models), "--port", "0", "--store-url", store(models))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = said.strip().splitlines()
    assert "store_url" in line
    assert reason in line
