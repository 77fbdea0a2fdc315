"""A snapshot that was altered in its store is refused to its client, and seen from outside."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from skiprnn_client import ConnectionRejected, connect_sync
from support.bundles import write_random_bundle
from support.servers import Running, serving


def damaged(server: Running) -> float:
    families = text_string_to_metric_families(httpx.get(f"{server.http}/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return next(sample.value for sample in samples if sample.name == "skiprnn_snapshots_damaged_total")


def test_a_damaged_snapshot_is_refused_with_409_once_and_counted(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_random_bundle(tmp_path / "models" / "watch.onnx", name="watch")
    path = tmp_path / "streams.db"
    with serving(tmp_path / "models", store_url=f"sqlite:///{path}") as server:
        with connect_sync(server.url(), stream_id="s") as connection:
            connection.send(np.zeros((10, 3), np.float32))
        server.call(server.state.streams.drain(0))
        server.state.streams.draining = False
        with closing(sqlite3.connect(path)) as database, database:
            changed = database.execute("UPDATE streams SET snapshot = ?", (b"rubbish",)).rowcount
        assert changed == 1
        assert damaged(server) == 0
        with pytest.raises(ConnectionRejected) as caught, connect_sync(server.url(), stream_id="s"):
            pass
        assert caught.value.status == 409
        assert damaged(server) == 1
        with connect_sync(server.url(), stream_id="s") as connection:
            assert not connection.ready.resumed
        assert damaged(server) == 1
