"""Models that come, change and go while streams are live."""

import asyncio
import gc
import os
import signal
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import read, unroll
from skiprnn_service.engine.stream import Reply
from skiprnn_service.errors import ModelError, SkipRnnServiceError, SnapshotError, UnknownModelError
from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.models.watcher import watching
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import StreamSession
from support.bundles import random_sequence, write_random_bundle


class Heard:
    """A listener that keeps the latest reply."""

    def __init__(self) -> None:
        self.replies: asyncio.Queue[Reply | SkipRnnServiceError] = asyncio.Queue()
        self.on_reply = self.on_error = self.replies.put_nowait

    def on_saved(self) -> None: ...
    def on_go_away(self, seconds: float) -> None: ...
    def on_lost(self, code: int, reason: str) -> None: ...

    async def send(self, session: StreamSession, samples: np.ndarray) -> Reply:
        session.engine.submit(session.stream, None, len(samples), samples.tobytes())
        answer = await self.replies.get()
        assert isinstance(answer, Reply), answer
        return answer


def opened(path: Path) -> tuple[ModelRepository, StreamManager]:
    folder = ModelRepository(path, max_batch=8)
    folder.load()
    return folder, StreamManager(
        folder,
        MemoryStore(ttl_seconds=60),
        ServiceStats(),
        snapshot_interval_seconds=1,
        ttl_seconds=60,
        idle_timeout_seconds=60,
        quotas=Quotas(max_streams=100, max_opens_per_minute=1000),
    )


async def test_a_new_version_is_served_and_what_is_loaded_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    write_random_bundle(tmp_path / "m" / "1.onnx", seed=1)
    folder, _ = opened(tmp_path)
    first = folder.get("m")
    write_random_bundle(tmp_path / "m" / "2.onnx", seed=2)
    assert folder.get("m") is first
    await folder.reload()
    assert folder.get("m").version == "2"
    assert folder.get("m", "1") is first
    assert not folder.draining


async def test_a_live_stream_stays_on_the_file_that_it_began_with(tmp_path: Path) -> None:
    old = write_random_bundle(tmp_path / "m.onnx", seed=1)
    folder, streams = opened(tmp_path)
    x = random_sequence(old, 60)
    heard = Heard()
    session = await streams.open("m", heard, stream_id="s")
    replies = [await heard.send(session, x[:20])]
    new = write_random_bundle(tmp_path / "m.onnx", seed=2)
    await folder.reload("m")
    assert folder.get("m").bundle.sha256 == new.sha256
    replies.append(await heard.send(session, x[20:40]))
    await streams.park(session)
    keeper = await streams.open("m", Heard(), stream_id="other")  # on the new one: does not hold the old one
    assert keeper.model.bundle.sha256 == new.sha256
    again = await streams.open("m", heard, stream_id="s")  # parked; its file is still held
    replies.append(await heard.send(again, x[40:]))
    updates = [update for reply in replies for update in reply.updates]
    expected = unroll(old, x)
    assert [update.t for update in updates] == expected.t.tolist()
    assert b"".join(update.y for update in updates) == expected.y.tobytes()


async def test_a_parked_stream_is_told_when_its_file_is_gone(tmp_path: Path) -> None:
    old = write_random_bundle(tmp_path / "m.onnx", seed=1)
    folder, streams = opened(tmp_path)
    heard = Heard()
    session = await streams.open("m", heard, stream_id="s")
    await heard.send(session, random_sequence(old, 20))
    await streams.park(session)
    write_random_bundle(tmp_path / "m.onnx", seed=2)
    await folder.reload()
    folder.forget_drained()
    with pytest.raises(SnapshotError):
        await streams.open("m", heard, stream_id="s")
    (tmp_path / "m.onnx").unlink()
    (tmp_path / "m").mkdir()
    write_random_bundle(tmp_path / "m" / "2.onnx", seed=2)
    await folder.reload()
    with pytest.raises(SnapshotError, match=r"version 1 of the stream's model is gone"):
        await streams.open("m", heard, stream_id="s")


async def test_unload_refuses_new_streams_and_frees_the_engine_with_its_last_one(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "m.onnx")
    folder, streams = opened(tmp_path)
    engine = weakref.ref(folder.get("m").engine)
    heard = Heard()
    session = await streams.open("m", heard)
    await folder.unload("m")
    with pytest.raises(UnknownModelError, match="model 'm' was unloaded"):
        await streams.open("m", Heard())
    await heard.send(session, random_sequence(bundle, 30))
    folder.forget_drained()
    assert [model.name for model in folder.draining] == ["m"]
    assert folder.engines() == [session.engine]
    session.engine.end(session.stream, partial(streams.ended, session))
    await asyncio.sleep(0)
    folder.forget_drained()
    del session, heard
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert folder.draining == []
    assert engine() is None


async def test_an_unloaded_model_stays_so_until_it_is_loaded_by_name(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    folder, _ = opened(tmp_path)
    await folder.unload("m")
    await folder.reload()
    assert not list(folder)
    with pytest.raises(UnknownModelError, match="was unloaded"):
        await folder.unload("m")
    await folder.reload("m")
    assert folder.get("m").version == "1"
    assert not folder.unloaded


async def test_a_broken_file_does_not_replace_a_good_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    folder, _ = opened(tmp_path)
    served = folder.get("m")
    (tmp_path / "m.onnx").write_bytes(b"half a fi")
    with pytest.raises(ModelError, match=r"m\.onnx: .*not an ONNX file"):
        await folder.reload("m")
    assert folder.get("m") is served
    assert list(folder.stale) == [("m", "1")]
    assert not folder.failures
    assert "not served: m.onnx" in caplog.text


async def test_loading_one_model_leaves_the_others_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_random_bundle(tmp_path / f"{name}.onnx")
    folder, _ = opened(tmp_path)
    b = folder.get("b")
    write_random_bundle(tmp_path / "a.onnx", seed=3)
    write_random_bundle(tmp_path / "b.onnx", seed=3)
    (tmp_path / "c.onnx").unlink()
    await folder.reload("a")
    assert folder.get("a").bundle.sha256 == read(tmp_path / "a.onnx").sha256
    assert folder.get("b") is b
    assert folder.get("c").name == "c"
    with pytest.raises(UnknownModelError, match=r"expected a file of it in the model folder"):
        await folder.reload("c")
    with pytest.raises(UnknownModelError):
        await folder.reload("d")


@pytest.mark.parametrize("how", ["poll", "hangup"])
async def test_the_folder_is_looked_at_again_by_the_clock_and_on_sighup(tmp_path: Path, how: str) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    folder, _ = opened(tmp_path)
    async with watching(folder, poll_seconds=0.02 if how == "poll" else 0):
        write_random_bundle(tmp_path / "n.onnx")
        await asyncio.sleep(0)
        if how == "hangup":
            os.kill(os.getpid(), signal.SIGHUP)
        while "n" not in folder.models:
            await asyncio.sleep(0.01)
    assert not await folder.reload_if_changed()
