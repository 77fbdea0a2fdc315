"""Data of the dashboard."""

from pathlib import Path

import httpx
import numpy as np

from skiprnn_client import connect_sync
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
