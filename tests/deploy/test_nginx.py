"""deploy/proxies/nginx.conf, run: streams pass through it exactly, and so do pages of its own origin."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from skiprnn_export import read, unroll
from skiprnn_service.settings import SHIPPED_MODELS
from support.docker import ROOT, free_port
from support.durable_stream import stream_all
from support.programs import need
from support.servers import Running, serving

CONF = (ROOT / "deploy/proxies/nginx.conf").read_text()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(SHIPPED_MODELS) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of an nginx with this configuration, its certificate left out."""
    folder, address = tmp_path_factory.mktemp("nginx"), f"127.0.0.1:{free_port()}"
    part = CONF.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("443 ssl", address)
    part = re.sub(r"^\s*ssl_.*\n", "", part, flags=re.MULTILINE)
    (folder / "nginx.conf").write_text(
        f"""daemon off; pid {folder}/pid; worker_processes 1; error_log {folder}/error.log;
        events {{ }}
        http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
        fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
        {part} }}"""
    )
    process = subprocess.Popen([need("nginx"), "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    try:
        _wait_until_it_answers(f"http://{address}/v2/health/live", process, folder / "error.log")
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    while process.poll() is None:
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(log.read_text())


def test_streams_get_the_bits_of_the_offline_unroll(proxy: str) -> None:
    path = SHIPPED_MODELS.parent / "page/exercise.csv"
    x = np.loadtxt(path, np.float32, delimiter=",", skiprows=1)[:400]
    [stream] = stream_all(f"ws://{proxy}/v1/models/watch/stream", [x], "nginx")
    expected = unroll(read(SHIPPED_MODELS / "watch.onnx"), x)
    assert list(stream.updates) == expected.t.tolist()
    assert b"".join(stream.updates.values()) == expected.y.tobytes()
    assert stream.connections == 1


def test_a_page_of_the_proxys_own_origin_may_stream(proxy: str) -> None:
    origin = Origin(f"http://{proxy}")
    with connect(f"ws://{proxy}/v1/models/watch/stream", origin=origin, proxy=None) as socket:
        assert '"ready"' in str(socket.recv(10))


def test_plain_requests_and_the_page_pass(proxy: str) -> None:
    assert httpx.get(f"http://{proxy}/").status_code == 200
    x = {"sequences": [[[0.0] * 6] * 50]}
    assert httpx.post(f"http://{proxy}/v1/models/watch/score", json=x).status_code == 200


def test_metrics_are_not_for_everybody(proxy: str) -> None:
    assert httpx.get(f"http://{proxy}/metrics").status_code == 404


def test_it_waits_longer_than_the_server_takes_to_miss_a_client(server: Running) -> None:
    settings = server.state.settings
    [seconds] = re.findall(r"proxy_read_timeout (\d+)s", CONF)
    assert int(seconds) > settings.ping_interval_seconds + settings.ping_timeout_seconds
