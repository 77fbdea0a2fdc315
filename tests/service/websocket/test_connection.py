"""A connection between the opening of its stream and the end of its handshake."""

import asyncio
from pathlib import Path

import pytest

from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.settings import Settings
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.websocket.connection import StreamConnection
from support.bundles import write_random_bundle


async def test_a_stream_may_be_saved_drained_and_lost_before_its_connection_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    models, store = ModelRepository(tmp_path), MemoryStore(ttl_seconds=60)
    store.durable = True
    models.load()
    streams = StreamManager(
        models,
        store,
        ServiceStats(),
        snapshot_interval_seconds=1000,
        ttl_seconds=60,
        idle_timeout_seconds=1000,
        quotas=Quotas(max_streams=9, max_opens_per_minute=1000),
    )
    connection = StreamConnection(Settings(), streams, only_updates=False)
    await streams.open("m", connection)
    await streams.flush()
    await streams.drain(0)
    await asyncio.sleep(0)
    connection.stop()
    assert not caplog.records
    assert connection._lost is not None
    assert connection._lost[0] == 1012
    models.close()
