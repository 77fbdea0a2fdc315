"""The health routes answer HEAD as they answer GET, without the body."""

from pathlib import Path

import httpx
import pytest

from support.bundles import write_random_bundle
from support.servers import serving


@pytest.mark.parametrize("served", [True, False])
def test_head_answers_like_get_without_a_body(tmp_path: Path, served: bool) -> None:
    if served:
        write_random_bundle(tmp_path / "watch.onnx")
    with serving(tmp_path) as server, httpx.Client(base_url=server.http) as http:
        for path in ("/v2/health/live", "/v2/health/ready", "/metrics"):
            get, head = http.get(path), http.head(path)
            assert (head.status_code, head.content) == (get.status_code, b"")
            assert head.headers["content-type"] == get.headers["content-type"]
        assert http.head("/v2/health/ready").status_code == (200 if served else 503)
