"""Headers that tell a browser what the page may do."""

import ssl
from pathlib import Path

import httpx
import pytest

from skiprnn_client import connect_sync
from support.bundles import write_random_bundle
from support.certificates import write_certificate
from support.servers import serving


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx")
    return folder


def test_the_page_comes_with_headers_that_keep_others_out(models: Path) -> None:
    with serving(models) as server:
        headers = httpx.get(f"{server.http}/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "server" not in headers


def test_a_certificate_makes_it_wss(models: Path, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    with serving(models, ssl_certfile=certificate, ssl_keyfile=key) as server:
        context = ssl.create_default_context(cafile=certificate)
        url = server.url().replace("ws://127.0.0.1", "wss://localhost")
        with connect_sync(url, ssl=context) as connection:
            assert connection.ready.resumed is False
        answer = httpx.get(f"https://localhost:{server.port}/v2/health/live", verify=context)
        assert "Strict-Transport-Security" in answer.headers
