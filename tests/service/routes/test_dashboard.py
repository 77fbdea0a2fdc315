"""Data of the dashboard."""

from pathlib import Path

import httpx
import numpy as np

from skiprnn_client import connect_sync
from skiprnn_service.auth import api_keys
from support.bundles import write_random_bundle
from support.servers import serving


def test_counters_and_streams_are_those_of_the_server(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    with serving(tmp_path) as server, httpx.Client(base_url=server.http) as http:
        with connect_sync(server.url(), stream_id="a-long-secret-id") as connection:
            reply = connection.send(np.zeros((20, 3), np.float32))
            counters, streams = http.get("/v1/counters").json(), http.get("/v1/streams").json()
        (model,), (row,) = counters["models"], streams["streams"]
        assert (model["name"], model["live"], model["messages"], model["samples"]) == ("watch", 1, 1, 20)
        assert model["updates"] == row["updates"] == len(reply.updates)
        assert (row["state"], row["id"], row["samples"], row["wake"]) == ("live", "a-long-s…", 20, reply.wake)
        assert (counters["parked"], counters["draining"]) == (0, False)


def test_a_recording_that_came_with_a_model_is_given_to_who_may_open_streams(tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / "watch").mkdir(parents=True)
    write_random_bundle(models / "watch" / "1.onnx")
    write_random_bundle(models / "watch" / "2.onnx")
    (models / "watch" / "1.recording.csv").write_text("x0,x1,x2,label\n1,2,3,c0\n")
    keys = tmp_path / "keys.json"
    key = api_keys.add(keys, "alice", ("stream",)).text
    with serving(models, api_keys_file=keys) as server, httpx.Client(base_url=server.http) as http:
        assert http.get("/v1/models/watch/recording").status_code == 401
        http.headers["Authorization"] = f"Bearer {key}"
        known = {one["version"]: one["recording"] for one in http.get("/v1/models").json()["models"]}
        assert known == {"1": True, "2": False}
        answer = http.get("/v1/models/watch/recording?version=1")
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.text == "x0,x1,x2,label\n1,2,3,c0\n"
        missing = http.get("/v1/models/watch/recording")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert missing.json()["error"] == "model 'watch', version 2: no recording came with it"
