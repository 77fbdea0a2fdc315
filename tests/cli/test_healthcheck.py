"""`skiprnn healthcheck`: 0 and silence from the network, or 1 and the reason, against a server that says so."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from skiprnn_cli.healthcheck import healthcheck


class Health(BaseHTTPRequestHandler):
    """Answers every path as `answers` says: (status, body)."""

    answers: dict[str, tuple[int, bytes]]

    def do_GET(self) -> None:
        status, body = self.answers[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def run(*arguments: str, **environment: str) -> Result:
    app = typer.Typer()
    app.command()(healthcheck)
    return CliRunner(env={"SKIPRNN_HOST": None, "SKIPRNN_PORT": None, **environment}).invoke(app, arguments)


def test_a_ready_server_is_code_0(port: int) -> None:
    Health.answers = {"/v2/health/ready": (200, b'{"ready": true}')}
    assert run("--url", f"http://127.0.0.1:{port}/").exit_code == 0


def test_a_server_that_is_not_ready_is_code_1_and_its_own_reasons(port: int) -> None:
    said = {"ready": False, "draining": False, "failed": {"watch/1": "watch.onnx: truncated"}, "saving": "ok"}
    Health.answers = {"/v2/health/ready": (503, json.dumps(said).encode())}
    result = run("--url", f"http://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert "503" in result.stderr
    assert '{"failed": {"watch/1": "watch.onnx: truncated"}}' in result.stderr


def test_an_answer_that_is_no_report_is_code_1_and_its_status(port: int) -> None:
    Health.answers = {"/v2/health/ready": (502, b"<html>")}
    result = run("--url", f"http://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert "502 Bad Gateway" in result.stderr


def test_live_asks_the_process_alone(port: int) -> None:
    Health.answers = {"/v2/health/ready": (503, b"{}"), "/v2/health/live": (200, b"{}")}
    url = f"http://127.0.0.1:{port}"
    assert (run("--url", url).exit_code, run("--url", url, "--live").exit_code) == (1, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_server_of_this_environment_is_asked_when_none_is_named(port: int, host: str) -> None:
    Health.answers = {"/v2/health/ready": (200, b"{}")}
    assert run(SKIPRNN_HOST=host, SKIPRNN_PORT=str(port)).exit_code == 0


def test_no_server_is_code_1_and_says_where_it_looked() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        result = run("--url", address)
    assert result.exit_code == 1
    assert f"{address}/v2/health/ready: " in result.stderr


def test_an_address_that_is_none_is_code_1() -> None:
    assert run("--url", "nonsense").exit_code == 1


def test_a_proxy_in_the_environment_is_not_asked(port: int) -> None:
    Health.answers = {"/v2/health/ready": (200, b"{}")}
    assert run("--url", f"http://127.0.0.1:{port}", http_proxy="http://127.0.0.1:9").exit_code == 0
