"""The health routes answer HEAD as they answer GET, without the body; a model's facts name its outputs."""

import json
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from skiprnn_export import Feature
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


def test_what_the_outputs_are_is_said_to_every_client(tmp_path: Path) -> None:
    targets = (Feature("glucose", "mg/dL"), Feature("load"))
    write_random_bundle(tmp_path / "values.onnx", task="step_regression", targets=targets)
    write_random_bundle(tmp_path / "faults.onnx", multi_label=True)
    named = [{"name": "glucose", "unit": "mg/dL"}, {"name": "load", "unit": ""}]
    expected = {"values": ([], named, False), "faults": (["c0", "c1"], [], True)}
    with serving(tmp_path) as server, httpx.Client(base_url=server.http) as http:
        for name, outputs in expected.items():
            with connect(server.url(name)) as stream:
                ready = json.loads(stream.recv())
            for facts in (http.get(f"/v1/models/{name}").json(), ready):
                assert (facts["classes"], facts["targets"], facts["multi_label"]) == outputs
