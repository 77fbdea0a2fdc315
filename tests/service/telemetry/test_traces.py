"""Traces: spans of requests and handshakes, none of messages."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from websockets.sync.client import connect

from skiprnn_service.app import create_app
from skiprnn_service.settings import Settings
from support.bundles import write_random_bundle
from support.serve_command import address, start


def test_a_collector_gets_the_traces(tmp_path: Path) -> None:

    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    thread = Thread(target=collector.serve_forever)
    thread.start()
    write_random_bundle(tmp_path / "watch.onnx", name="watch")
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    flags = ["--models-dir", str(tmp_path), "--port", "0", "--drain-seconds", "0"]
    process = start(*flags, "--otlp-endpoint", endpoint)
    try:
        http = address(process)
        httpx.get(f"{http}/v1/models/watch")
        httpx.get(f"{http}/v2/health/live")
        with connect(http.replace("http", "ws") + "/v1/models/watch/stream") as socket:
            socket.recv()
            for _ in range(20):
                socket.send('{"x": [0, 0, 0]}')
                socket.recv()
    finally:
        process.terminate()
        process.communicate(timeout=30)
        collector.shutdown()
        thread.join()
        collector.server_close()
    spans = b"".join(bodies)
    assert b"GET /v1/models/{model}" in spans
    assert b"/v1/models/{model}/stream" in spans
    assert b"health" not in spans
    assert spans.count(b"websocket receive") == 0


def test_without_opentelemetry_an_endpoint_is_rejected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.fastapi", None)
    with pytest.raises(ValueError, match="needs the extra otel"):
        create_app(Settings(models_dir=tmp_path, otlp_endpoint="http://127.0.0.1:4318"))
