"""A Host that is no name of the server: a page whose name was pointed at it (DNS rebinding)."""

import socket
from pathlib import Path

import httpx
import pytest

from skiprnn_service.auth import api_keys
from skiprnn_service.middleware.hosts import hosts_of
from skiprnn_service.settings import load
from support.bundles import write_random_bundle
from support.servers import Running, serving

EVIL = ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "", "[", "x@"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", name="watch")
    return folder


def status(server: Running, host: str, path: str = "/v2/health/live") -> int:
    return httpx.get(server.http + path, headers={"Host": host}).status_code


def handshake(server: Running, host: str) -> int:
    """Of a page of this host."""
    key = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
    lines = (f"Host: {host}", f"Origin: http://{host}", "Upgrade: websocket", "Connection: Upgrade", *key)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall("\r\n".join(("GET /v1/models/watch/stream HTTP/1.1", *lines, "", "")).encode())
        return int(client.recv(65_536).split()[1])


@pytest.mark.parametrize("websocket_impl", ["fast", "asgi"])
def test_without_keys_only_names_of_the_server_are_hosts(models: Path, websocket_impl: str) -> None:
    with serving(models, websocket_impl=websocket_impl) as server:
        own = [
            f"{name}{port}"
            for name in ("localhost", "LOCALHOST.", "127.0.0.1", "[::1]")
            for port in ("", ":1")
        ]
        assert {status(server, host) for host in own} == {200}
        assert {status(server, host) for host in EVIL} == {421}
        assert handshake(server, "localhost:8000") == 101
        assert handshake(server, "evil.example") == 421
        assert server.state.stats.rejected["host"] == len(EVIL) + 1


def test_a_page_whose_name_was_pointed_here_unloads_nothing(models: Path) -> None:
    """Host and Origin are the same foreign name: to its browser this is no other origin."""
    rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
    with serving(models) as server:
        url = f"{server.http}/v2/repository/models/watch/unload"
        answer = httpx.post(url, headers=rebound)
        assert (answer.status_code, answer.json()["code"]) == (421, "host")
        assert "allowed_hosts" in answer.json()["error"]
        assert answer.headers["X-Request-ID"]
        assert server.state.models.get("watch")


def test_more_names_may_be_allowed_or_all(models: Path) -> None:
    with serving(models, allowed_hosts="streams.example, Other.Example") as server:
        for host in ("streams.example:443", "other.example", "localhost"):
            assert status(server, host) == 200
        assert status(server, "evil.example") == 421
    with serving(models, allowed_hosts="*") as server:
        assert status(server, "evil.example") == 200


def test_with_keys_any_host_will_do_unless_hosts_are_named(models: Path, tmp_path: Path) -> None:
    api_keys.add(tmp_path / "keys", "alice", ("stream",))
    with serving(models, api_keys_file=tmp_path / "keys") as server:
        assert status(server, "evil.example") == 200
    with serving(models, api_keys_file=tmp_path / "keys", allowed_hosts="streams.example") as server:
        assert (status(server, "evil.example"), status(server, "streams.example")) == (421, 200)


def test_the_bound_host_is_one() -> None:
    assert "streams.example" in (hosts_of(load(host="Streams.example")) or ())
