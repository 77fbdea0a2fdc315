"""Errors that starlette answers in plain text have the body of all others."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.bundles import write_random_bundle
from support.servers import serving

FRIEND = "https://friend.example"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx")
    with serving(folder, allowed_origins=FRIEND) as server, httpx.Client(base_url=server.http) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/page/app.js"])
@pytest.mark.parametrize(
    ("range", "status"), [("bytes=99999999-", 416), ("bytes=abc", 400), ("bytes=5-2", 400)]
)
def test_a_bad_range_is_answered_in_json(http: httpx.Client, path: str, range: str, status: int) -> None:
    answer = http.get(path, headers={"Range": range})
    assert (answer.status_code, set(answer.json())) == (status, {"error", "code"})
    assert ("Content-Range" in answer.headers) == (status == 416)


def test_a_good_range_is_answered(http: httpx.Client) -> None:
    answer = http.get("/", headers={"Range": "bytes=0-14"})
    assert (answer.status_code, answer.text.lower()) == (206, "<!doctype html>")


def test_a_preflight_of_a_stranger_is_answered_in_json(http: httpx.Client) -> None:
    asked = {"Origin": "https://stranger.example", "Access-Control-Request-Method": "POST"}
    answer = http.options("/v1/models/watch/score", headers=asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert answer.headers["Vary"]
