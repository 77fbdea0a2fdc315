"""Every response and every websocket handshake carries a request id."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.bundles import write_random_bundle
from support.servers import Running, serving

GIVEN = {"X-Request-ID": "a-Z0.9_:"}


@pytest.fixture(scope="module", params=["fast", "asgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx")
    with serving(folder, websocket_impl=request.param) as running:
        yield running


def test_the_id_of_the_client_comes_back(server: Running) -> None:
    for path in ("/v2/health/live", "/none"):
        assert httpx.get(server.http + path, headers=GIVEN).headers["X-Request-ID"] == "a-Z0.9_:"
    with connect(server.url(), additional_headers=GIVEN) as socket:
        assert socket.response
        assert socket.response.headers["X-Request-ID"] == "a-Z0.9_:"
    with pytest.raises(InvalidStatus) as rejected:
        connect(server.url("none"), additional_headers=GIVEN)
    assert rejected.value.response.headers["X-Request-ID"] == "a-Z0.9_:"


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "x" * 129, "é"])
def test_an_id_that_could_forge_lines_of_the_log_is_replaced(server: Running, given: str) -> None:
    answer = httpx.get(f"{server.http}/v2/health/live", headers=[(b"X-Request-ID", given.encode())])
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-ID"])
