"""Health, metrics, models and whole-sequence scoring over HTTP."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from skiprnn_export import Bundle, unroll
from skiprnn_service.auth import api_keys
from support.bundles import random_sequence, write_random_bundle
from support.servers import serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("models")
    (path / "watch").mkdir()
    write_random_bundle(path / "watch" / "1.onnx", name="watch")
    write_random_bundle(path / "watch" / "2.onnx", name="watch", seed=2)
    return path


@pytest.fixture(scope="module")
def http(folder: Path) -> Iterator[httpx.Client]:
    with serving(folder) as server, httpx.Client(base_url=server.http) as client:
        yield client


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    from skiprnn_export import read

    return read(folder / "watch" / "2.onnx")


def score(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("/v1/models/watch/score", json=body)


def test_a_server_whose_models_are_all_served_is_ready(http: httpx.Client) -> None:
    assert http.get("/v2/health/live").status_code == 200
    ready = http.get("/v2/health/ready")
    assert (ready.status_code, ready.json()["ready"], ready.json()["saving"]) == (200, True, "ok")


def test_a_model_that_cannot_be_served_is_named_and_does_not_stop_the_others(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with serving(tmp_path) as server:
        ready = httpx.get(f"{server.http}/v2/health/ready")
        listed = httpx.get(f"{server.http}/v1/models").json()
        missing = httpx.get(f"{server.http}/v1/models/bad")
        metrics = httpx.get(f"{server.http}/metrics").text
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert "skiprnn_models_failed 1.0" in metrics
    assert "bad.onnx" in ready.json()["failed"]["bad/1"]
    assert [model["name"] for model in listed["models"]] == ["good"]
    assert listed["failed"][0]["name"] == "bad"
    assert (missing.status_code, "bad.onnx" in missing.json()["error"]) == (503, True)


def test_strict_readiness_wants_every_bundle_in_the_folder(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with serving(tmp_path, strict_readiness=True) as server:
        ready = httpx.get(f"{server.http}/v2/health/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        (tmp_path / "bad.onnx").unlink()
        server.call(server.state.models.reload())
        assert httpx.get(f"{server.http}/v2/health/ready").status_code == 200


def test_a_bad_file_and_a_reload_leave_a_ready_server_in_rotation(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    with serving(tmp_path) as server, httpx.Client(base_url=server.http) as http:
        (tmp_path / "new.onnx").write_bytes(b"not a model")
        (tmp_path / "good.onnx").write_bytes(b"nor is this")
        server.call(server.state.models.reload())
        assert http.get("/v2/health/ready").status_code == 200
        assert http.get("/v1/models/good").status_code == 200
        assert "skiprnn_models_failed 2.0" in http.get("/metrics").text
        index = http.post("/v2/repository/index").json()
    reasons = {entry["name"]: (entry["state"], entry["reason"]) for entry in index}
    assert reasons["good"][0] == "READY"
    assert "good.onnx: not an ONNX file" in reasons["good"][1]
    assert reasons["new"][0] == "UNAVAILABLE"


@pytest.mark.parametrize("found", ["nothing", "notes.txt"])
def test_an_empty_folder_is_not_ready_and_says_what_belongs_there(tmp_path: Path, found: str) -> None:
    if found != "nothing":
        (tmp_path / found).touch()
    with serving(tmp_path) as server:
        ready = httpx.get(f"{server.http}/v2/health/ready")
    assert ready.status_code == 503
    assert "NAME.onnx, NAME/VERSION.onnx or NAME/VERSION/model.onnx" in ready.json()["nothing_served"]
    assert found in ready.json()["nothing_served"]


def test_names_of_any_bytes_leave_every_answer_readable(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    for name in (b"\xff\xfe.onnx", b"a\x1b[31m\nERROR forged.onnx", b"x\xff/1.onnx"):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        write_random_bundle(path)
    with serving(tmp_path) as server, httpx.Client(base_url=server.http) as http:
        ready, listed = http.get("/v2/health/ready"), http.get("/v1/models")
        index = http.post("/v2/repository/index")
    assert [answer.status_code for answer in (ready, listed, index)] == [200, 200, 200]
    assert len(ready.json()["failed"]) == len(listed.json()["failed"]) == 3
    assert r"\udcff\udcfe" in {entry["name"] for entry in index.json()}


def test_strangers_learn_that_a_model_failed_and_admins_why(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bad.onnx").write_bytes(b"not a model")
    key = api_keys.add(tmp_path / "keys.json", "alice", ("admin",)).text
    with (
        serving(tmp_path / "models", api_keys_file=tmp_path / "keys.json") as server,
        httpx.Client(base_url=server.http) as http,
    ):
        for path in ("/v2/health/ready", "/v1/models"):
            stranger, admin = http.get(path), http.get(path, headers={"Authorization": f"Bearer {key}"})
            assert "not an ONNX file" not in stranger.text
            assert "not an ONNX file" in admin.text


def test_models_are_listed_with_their_facts(http: httpx.Client, bundle: Bundle) -> None:
    models = http.get("/v1/models").json()["models"]
    assert [model["version"] for model in models] == ["1", "2"]
    facts = http.get("/v1/models/watch").json()
    assert facts == models[1]
    assert facts["sha256"] == bundle.sha256
    assert facts["batching"] == "exact"
    assert http.get("/v1/models/watch?version=1").json()["version"] == "1"


def test_scoring_gives_the_bits_of_the_offline_unroll_for_ragged_sequences(
    http: httpx.Client, bundle: Bundle
) -> None:
    sequences = [random_sequence(bundle, n, seed=n) for n in (1, 50, 17)]
    answer = score(http, sequences=[x.tolist() for x in sequences]).json()
    assert (answer["model"], answer["version"]) == ("watch", "2")
    for x, one in zip(sequences, answer["scores"], strict=True):
        expected = unroll(bundle, x)
        assert one["samples"] == len(x)
        assert [update["t"] for update in one["updates"]] == expected.t.tolist()
        outputs = np.array([update["y"] for update in one["updates"]], np.float32)
        assert outputs.tobytes() == expected.y.tobytes()
        assert one["y"] == one["updates"][-1]["y"]


def test_scoring_takes_a_threshold_and_a_version(http: httpx.Client, folder: Path) -> None:
    from skiprnn_export import read

    first = read(folder / "watch" / "1.onnx")
    x = random_sequence(first, 80)
    body = {"sequences": [x.tolist()], "threshold": 0.9}
    answer = http.post("/v1/models/watch/score?version=1", json=body).json()
    expected = unroll(first, x, threshold=0.9)
    assert [update["t"] for update in answer["scores"][0]["updates"]] == expected.t.tolist()


@pytest.mark.parametrize("samples", [60, 3000], ids=["on a thread", "in a process"])
def test_scoring_can_update_at_every_sample(http: httpx.Client, bundle: Bundle, samples: int) -> None:
    body = {"sequences": [random_sequence(bundle, samples).tolist()]}
    (one,) = http.post("/v1/models/watch/score?gate=every_sample", json=body).json()["scores"]
    assert [update["t"] for update in one["updates"]] == list(range(samples))
    assert one["y"] != score(http, **body).json()["scores"][0]["y"]


@pytest.mark.parametrize(
    ("query", "said"),
    [("gate=open", "query.gate: Input should be 'every_sample'"), ("gate=every_sample&threshold=0.9", "0.9")],
)
def test_a_gate_that_cannot_be_is_rejected(http: httpx.Client, query: str, said: str) -> None:
    answer = http.post(f"/v1/models/watch/score?{query}", json={"sequences": [[[1.0, 2.0, 3.0]]]})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "sequences"),
        ({"sequences": []}, "sequences"),
        ({"sequences": [[]]}, "sequence 0"),
        ({"sequences": [[[1.0, 2.0]]]}, "[T, 3]"),
        ({"sequences": [[[1.0, 2.0, 3.0], [1.0]]]}, "sequence 0"),
        ({"sequences": [[[1.0, 2.0, "3"]]]}, "str"),
        ({"sequences": [[[1.0, 2.0, 1e39]]]}, "finite"),
        ({"sequences": [[[1.0, 2.0, 3.0]]], "threshold": 0.1}, "[0.5, 1]"),
        ({"sequences": [[[1.0, 2.0, 3.0]]], "treshold": 0.6}, "treshold"),
    ],
)
def test_a_score_that_cannot_be_is_refused_with_the_reason(
    http: httpx.Client, body: dict[str, Any], said: str
) -> None:
    response = score(http, **body)
    assert response.status_code == 400
    assert said in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/models/none", 404, "unknown_model"),
        ("GET", "/no/such/path", 404, "not_found"),
        ("GET", "/page/none.js", 404, "not_found"),
        ("GET", "/v1/models/watch/score", 405, "method_not_allowed"),
        ("POST", "/v1/models/watch/score?threshold=high", 400, "validation"),
        ("POST", "/page/index.html", 405, "method_not_allowed"),
    ],
)
def test_every_error_is_json_with_a_reason_and_a_code(
    http: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    response = http.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["error"]


def test_an_error_that_nothing_catches_is_json_too(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(folder) as server:
        del server.state.oip_stats
        response = httpx.get(f"{server.http}/v2/models/watch/stats", headers={"X-Request-ID": "r-1"})
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert response.headers["X-Request-ID"] == "r-1"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "oip_stats" not in response.text
    assert "oip_stats" in caplog.text


def test_metrics_are_what_prometheus_reads(http: httpx.Client) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    response = http.get("/metrics")
    names = {family.name for family in text_string_to_metric_families(response.text)}
    assert {
        "skiprnn_streams_live",
        "skiprnn_updates",
        "skiprnn_samples_skipped",
        "skiprnn_queue_duration_seconds",
    } <= names
    assert response.headers["Content-Type"].startswith("text/plain")


def test_what_the_store_forgot_or_refused_is_in_the_metrics(folder: Path) -> None:
    with serving(folder) as server:
        server.state.store.expired, server.state.store.damaged = 5, 3
        lines = httpx.get(f"{server.http}/metrics").text.splitlines()
    assert "skiprnn_streams_expired_total 5.0" in lines
    assert "skiprnn_snapshots_damaged_total 3.0" in lines


def test_the_page_is_served_with_what_it_needs(http: httpx.Client) -> None:
    assert "<title>" in http.get("/").text
    assert http.get("/page/exercise.csv").text.startswith("ax,ay,az")


def test_uvicorn_can_serve_the_application_by_itself(folder: Path) -> None:
    """Settings come from the environment, frames by uvicorn's own class."""
    import subprocess
    import sys

    command = [sys.executable, "-m", "uvicorn", "--factory", "skiprnn_service.app:create_app", "--port", "0"]
    environment = os.environ | {"SKIPRNN_MODELS": str(folder)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        address = next(
            found.group(1) for line in lines if (found := re.search(r"running on http://(\S+)", line))
        )
        with connect(f"ws://{address}/v1/models/watch/stream") as socket:
            socket.recv()
            socket.send('{"x": [0, 0, 0]}')
            assert json.loads(socket.recv())["t"] == 0
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_the_openapi_document_has_an_example_for_every_post_and_errors_as_they_are(
    http: httpx.Client,
) -> None:
    document = http.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert "422" not in operation["responses"], path
            refused = operation["responses"]["4XX"]["content"]["application/json"]["example"]
            assert refused == http.get("/v1/models/watsh").json()
            if method == "post":
                bodies = [operation.get("requestBody", {}), operation["responses"]["200"]]
                contents = [body.get("content", {}).get("application/json", {}) for body in bodies]
                assert any("example" in content for content in contents), path


def test_the_examples_of_the_openapi_document_are_answered(http: httpx.Client) -> None:
    for path, methods in http.get("/openapi.json").json()["paths"].items():
        body = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if body and not path.endswith("unload") and "{version}" not in path:  # a sequence starts once
            url = path.format(model="watch")
            assert http.post(url, json=body["example"]).status_code == 200, path
