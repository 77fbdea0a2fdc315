"""HEAD wherever there is GET."""

from pathlib import Path

import httpx
import pytest

from support.bundles import write_random_bundle
from support.servers import serving


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx")
    return folder


def test_head_is_answered_as_get_without_a_body(models: Path) -> None:
    with serving(models) as server, httpx.Client(base_url=server.http) as client:
        for path in ("/", "/metrics", "/v2/health/live", "/v2/health/ready", "/v1/models/watch", "/v2"):
            head, get = client.head(path), client.get(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert head.headers["Content-Type"] == get.headers["Content-Type"]
            assert int(head.headers["Content-Length"]) > 0
        assert client.head("/v1/models/none").status_code == 404
        assert client.head("/v1/models/watch/score").status_code == 405
