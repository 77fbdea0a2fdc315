"""The model folder: what is in it is served, what cannot be is explained, and nothing stops the rest."""

import asyncio
import gc
import hashlib
import logging
import os
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import read, unroll, write
from skiprnn_service.engine.onnx_runtime import CUDA
from skiprnn_service.engine.stream import Reply
from skiprnn_service.errors import ModelError, SkipRnnServiceError, SnapshotError, UnknownModelError
from skiprnn_service.models.repository import ModelRepository, read_digests
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import StreamSession
from support.bundles import random_bundle, random_sequence, write_random_bundle
from support.graphs import depends_on_batch_size


def loaded(path: Path) -> ModelRepository:
    folder = ModelRepository(path, max_batch=8)
    folder.load()
    return folder


def test_a_file_is_version_1_and_a_folder_holds_several(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    (tmp_path / "ecg").mkdir()
    for version in (9, 10, 2):
        write_random_bundle(tmp_path / "ecg" / f"{version}.onnx", seed=version)
    folder = loaded(tmp_path)
    assert {name: list(versions) for name, versions in folder.models.items()} == {
        "ecg": ["2", "9", "10"],
        "watch": ["1"],
    }
    assert folder.get("ecg").version == "10"
    assert folder.get("ecg", "2").bundle.info.training == {"seed": 2}
    assert (folder.get("watch").engine.model, folder.get("watch").engine.version) == ("watch", "1")
    assert len(list(folder)) == 4
    assert not folder.failures
    folder.close()


def test_a_model_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    folder = loaded(tmp_path)
    with pytest.raises(UnknownModelError, match=r"expected one of \['watch'\], got 'ecg'"):
        folder.get("ecg")
    with pytest.raises(UnknownModelError, match=r"expected a version of \['1'\], got '2'"):
        folder.get("watch", "2")


def test_a_broken_file_keeps_nobody_else_from_being_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    folder = loaded(tmp_path)
    assert folder.get("good").name == "good"
    assert list(folder.failures) == [("bad", "1")]
    with pytest.raises(ModelError, match=r"bad\.onnx: .*not an ONNX file"):
        folder.get("bad")
    assert "not served: bad.onnx" in caplog.text


def test_an_older_version_is_served_where_the_newest_is_broken(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    write_random_bundle(tmp_path / "m" / "1.onnx")
    (tmp_path / "m" / "2.onnx").write_bytes(b"")
    folder = loaded(tmp_path)
    assert folder.get("m").version == "1"
    with pytest.raises(ModelError, match=r"m/2\.onnx"):
        folder.get("m", "2")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("a b.onnx", "a b.onnx: name: expected letters, digits"),
        ("-a.onnx", "-a.onnx: name: expected letters, digits"),
        ("m/latest.onnx", "m/latest.onnx: version: expected a whole number from 1 on, got 'latest'"),
        ("m/0.onnx", "m/0.onnx: version: expected a whole number from 1 on, got '0'"),
        ("m/01.onnx", "m/01.onnx: version: expected a whole number from 1 on, got '01'"),
        ("good/1.onnx", "good.onnx: there are two files of version 1 of 'good'"),
    ],
)
def test_names_and_versions_that_do_not_fit_are_refused(tmp_path: Path, file: str, reason: str) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    write_random_bundle(tmp_path / file)
    folder = loaded(tmp_path)
    assert [why.startswith(reason) for why in folder.failures.values()] == [True]
    assert list(folder.models) == ["good"]


def test_hidden_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in (".export.onnx.7.tmp", ".hidden.onnx", "README.md"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    folder = loaded(tmp_path)
    assert not folder.models
    assert not folder.failures


@pytest.mark.parametrize("place", ["watch.onnx", "watch/1.onnx", "watch/1/model.onnx"])
def test_a_recording_beside_a_bundle_comes_with_it(tmp_path: Path, place: str) -> None:
    bundle = tmp_path / place
    bundle.parent.mkdir(parents=True, exist_ok=True)
    write_random_bundle(bundle)
    bundle.with_suffix(".recording.csv").write_bytes(b"x0\n1\n")
    assert loaded(tmp_path).get("watch").recording == b"x0\n1\n"


@pytest.mark.parametrize("kind", ["too large", "a FIFO", "a link out of the folder"])
def test_a_model_is_served_without_a_recording_that_cannot_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    write_random_bundle(models / "watch.onnx")
    path = models / "watch.recording.csv"
    if kind == "too large":
        path.write_bytes(bytes((1 << 20) + 1))
    elif kind == "a FIFO":
        os.mkfifo(path)
    else:
        (tmp_path / "secret").write_text("x0\n")
        path.symlink_to(tmp_path / "secret")
    assert loaded(models).get("watch").recording is None
    assert "recording not served: watch.recording.csv: expected a file" in caplog.text


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model folder: .*nowhere"):
        loaded(tmp_path / "nowhere")


def test_says_so_where_batches_must_be_padded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, info = random_bundle()
    write(tmp_path / "m.onnx", depends_on_batch_size(model), info)
    with caplog.at_level(logging.WARNING):
        folder = loaded(tmp_path)
    assert folder.get("m").runner.batching == "padded"
    assert "model 'm'" in caplog.text
    assert "padded" in caplog.text


def test_a_link_out_of_the_folder_is_not_followed_and_one_within_it_is(tmp_path: Path) -> None:
    outside, path = tmp_path / "outside.onnx", tmp_path / "models"
    write_random_bundle(outside)
    (path / "..data").mkdir(parents=True)
    write_random_bundle(path / "..data" / "real.onnx")  # as Kubernetes mounts a ConfigMap
    (path / "away.onnx").symlink_to(outside)
    (path / "within.onnx").symlink_to(path / "..data" / "real.onnx")
    folder = loaded(path)
    assert list(folder.models) == ["within"]
    assert "link to" in folder.failures["away", "1"]
    folder.close()


def digest(file: Path) -> str:
    """As `sha256sum FILE` prints it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_only_files_with_an_allowed_digest_are_served(tmp_path: Path) -> None:
    for name in ("good", "other"):
        write_random_bundle(tmp_path / f"{name}.onnx", seed=len(name))
    (tmp_path / "digests").write_text(f"# what we trained\n\n{digest(tmp_path / 'good.onnx')}  good.onnx\n")
    folder = ModelRepository(tmp_path, max_batch=8, allowed_digests=read_digests(tmp_path / "digests"))
    folder.load()
    assert list(folder.models) == ["good"]
    assert digest(tmp_path / "other.onnx") in folder.failures["other", "1"]
    folder.close()


def test_the_digest_of_version_0_1_works_and_the_new_one_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = write_random_bundle(tmp_path / "good.onnx")
    folder = ModelRepository(tmp_path, max_batch=8, allowed_digests=frozenset({bundle.sha256}))
    folder.load()
    assert list(folder.models) == ["good"]
    assert digest(tmp_path / "good.onnx") in caplog.text
    folder.close()


def test_a_file_of_digests_that_holds_something_else_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "digests").write_text("abc good.onnx\n")
    with pytest.raises(ValueError, match=r"SHA-256.*'abc'"):
        read_digests(tmp_path / "digests")


class Heard:
    """A listener that keeps the latest reply."""

    def __init__(self) -> None:
        self.replies: asyncio.Queue[Reply | SkipRnnServiceError] = asyncio.Queue()
        self.on_reply = self.on_error = self.replies.put_nowait

    def on_saved(self) -> None: ...
    def on_go_away(self, seconds: float) -> None: ...
    def on_lost(self, code: int, reason: str) -> None: ...

    async def send(self, session: StreamSession, samples: np.ndarray) -> Reply:
        session.engine.submit(session.slot, None, len(samples), samples.tobytes())
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
    session.engine.end(session.slot, partial(streams.ended, session))
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


def test_a_model_whose_device_is_not_there_is_not_served(tmp_path: Path) -> None:
    """As where the provider is installed, but finds no driver."""
    write_random_bundle(tmp_path / "watch.onnx")
    folder = ModelRepository(tmp_path, providers=CUDA)
    folder.load()
    assert not folder.models
    assert "CUDAExecutionProvider" in folder.failures["watch", "1"]


async def test_it_knows_models_that_are_or_were_in_the_folder(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"half a fi")
    folder, streams = opened(tmp_path)
    assert [folder.knows(name) for name in ("m", "broken", "n")] == [True, True, False]
    session = await streams.open("m", Heard())
    await folder.unload("m")
    assert folder.knows("m")
    session.engine.detach(session.slot)
    with session.engine.room():
        folder.forget_drained()
        assert folder.draining
    folder.forget_drained()
    assert not folder.draining
    assert folder.knows("m")
