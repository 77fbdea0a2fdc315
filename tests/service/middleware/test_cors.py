"""Pages of `allowed_origins` may use the REST routes (Fetch standard, section 3.2); others may not."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from skiprnn_service.auth import api_keys
from support.bundles import write_random_bundle
from support.servers import Running, serving

FRIEND = "https://friend.example"
ALLOWED = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("served")
    (path / "models").mkdir()
    write_random_bundle(path / "models" / "watch.onnx", name="watch")
    return path


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return api_keys.add(folder / "keys", "alice", ("stream", "score")).text


@pytest.fixture(scope="module")
def server(folder: Path, key: str) -> Iterator[Running]:  # noqa: ARG001 - the file of keys
    with serving(folder / "models", api_keys_file=folder / "keys", allowed_origins=FRIEND) as running:
        yield running


def preflight(server: Running, path: str, origin: str) -> httpx.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    return httpx.options(server.http + path, headers=asked)


@pytest.mark.parametrize("path", ["/v1/tickets", "/v1/models/watch/score", "/v2/models/watch/infer"])
def test_a_preflight_of_an_allowed_origin_is_answered(server: Running, path: str) -> None:
    answer = preflight(server, path, FRIEND)
    assert (answer.status_code, answer.headers[ALLOWED]) == (200, FRIEND)
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Vary"].startswith("Origin")
    other = preflight(server, path, "https://evil.example")
    assert (other.status_code, ALLOWED in other.headers) == (400, False)


def test_a_page_of_an_allowed_origin_fetches_a_ticket_and_streams_with_it(server: Running, key: str) -> None:
    headers = {"Origin": FRIEND, "Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{server.http}/v1/tickets", headers=headers)
    assert (answer.status_code, answer.headers[ALLOWED]) == (200, FRIEND)
    url = f"{server.url()}?ticket={answer.json()['ticket']}"
    with connect(url, additional_headers={"Origin": FRIEND}) as socket:
        assert json.loads(socket.recv())["type"] == "ready"
    other = httpx.post(f"{server.http}/v1/tickets", headers=headers | {"Origin": "https://evil.example"})
    assert (other.status_code, ALLOWED in other.headers) == (403, False)


def test_errors_may_be_read_too_whoever_answers_them(server: Running) -> None:
    for path, status in (
        ("/v1/models", 401),
        ("/no/such/path", 404),
        ("/v1/models/watch/score", 405),
        ("/v2/models/stats", 401),
    ):
        answer = httpx.get(server.http + path, headers={"Origin": FRIEND})
        assert (answer.status_code, answer.headers[ALLOWED]) == (status, FRIEND)
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_an_error_that_nothing_catches_may_be_read_too(folder: Path) -> None:
    with serving(folder / "models", allowed_origins="*") as server:
        del server.state.oip_stats
        answer = httpx.get(f"{server.http}/v2/models/watch/stats", headers={"Origin": FRIEND})
    assert (answer.status_code, answer.json()["code"], answer.headers[ALLOWED]) == (500, "internal", "*")


def test_without_allowed_origins_there_are_no_such_headers(folder: Path) -> None:
    with serving(folder / "models") as server:
        assert ALLOWED not in httpx.get(f"{server.http}/v1/models", headers={"Origin": FRIEND}).headers
        assert preflight(server, "/v1/tickets", FRIEND).status_code == 405
