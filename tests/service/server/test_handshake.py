"""Handshakes that cannot be accepted: an answer in JSON at once, with both implementations."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from support.bundles import write_random_bundle
from support.servers import Running, serving

PATH = "/v1/models/watch/stream"
UPGRADE = ("Host: localhost", "Upgrade: websocket", "Connection: Upgrade")
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"


@pytest.fixture(scope="module", params=["fast", "asgi"])
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx")
    with serving(folder, websocket_impl=request.param, read_timeout_seconds=2) as running:
        yield running


def answer(server: Running, *headers: str, method: str = "GET", path: str = PATH) -> HTTPResponse:
    """Of a connection that the server closes after it, unless it accepts."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as client:
        client.sendall(
            "\r\n".join((f"{method} {path} HTTP/1.1", *UPGRADE, *headers, "", "")).encode("latin-1")
        )
        response = HTTPResponse(client, method=method)
        response.begin()
        if response.status != 101:
            response.body = response.read()  # type: ignore[attr-defined]
            assert client.recv(1) == b""
        return response


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ((VERSION,), 400, "http"),
        ((VERSION, "Sec-WebSocket-Key: abc"), 400, "http"),
        ((VERSION, "Sec-WebSocket-Key: \xff"), 400, "http"),
        ((VERSION, KEY, KEY), 400, "http"),
        ((KEY,), 400, "http"),
        ((KEY, "Sec-WebSocket-Version: 8"), 426, "upgrade_required"),
        ((KEY, VERSION, "X-Long: " + "a" * 9_000), 431, "too_large"),
        ((KEY, VERSION, *(f"X-{i}: a" for i in range(140))), 431, "too_large"),
        ((KEY, VERSION, "Origin: http://[::1"), 403, "forbidden"),
    ],
)
def test_it_is_rejected_in_json(server: Running, headers: tuple[str, ...], status: int, code: str) -> None:
    found = answer(server, *headers)
    assert (found.status, found.headers["Content-Type"]) == (status, "application/json")
    body = json.loads(found.body)  # type: ignore[attr-defined]
    assert (set(body), body["code"]) == ({"error", "code"}, code)


def test_another_version_is_told_the_right_one(server: Running) -> None:
    assert answer(server, KEY, "Sec-WebSocket-Version: 8").headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_a_method_other_than_get_is_rejected(server: Running, method: str) -> None:
    found = answer(server, KEY, VERSION, method=method)
    assert (found.status, found.headers["Allow"]) == (405, "GET")


def test_a_first_line_that_is_too_long_is_rejected(server: Running) -> None:
    assert answer(server, KEY, VERSION, path=f"{PATH}?stream_id={'a' * 9_000}").status == 431


def test_headers_just_below_the_limit_are_accepted(server: Running) -> None:
    headers = (KEY, VERSION, *(f"X-{i}: a" for i in range(120)), "X-Long: " + "a" * 8_180)
    assert answer(server, *headers).status == 101
