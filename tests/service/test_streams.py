"""The registry of live streams: owners, saving, and a store that fails."""

import asyncio
from collections.abc import Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine.stream import Reply, Update
from skiprnn_service.errors import (
    MessageError,
    OverloadError,
    SkipRnnServiceError,
    SnapshotError,
    StoreError,
    ThresholdError,
    UnknownModelError,
)
from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.base import Claim, Key, Record
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.streams.manager import IDLE, OWNED_ELSEWHERE, RESTART, StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import StreamSession
from support.bundles import random_sequence, write_random_bundle


class DurableStore(MemoryStore):
    """In memory, but it says that it survives, and fails when it is told to."""

    durable = True
    down = False

    def _look(self) -> None:
        if self.down:
            raise StoreError("down on purpose")

    async def claim(self, *key: str) -> Claim:
        self._look()
        return await super().claim(*key)

    async def save(self, records: Sequence[Record]) -> set[Key]:
        self._look()
        return await super().save(records)

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        self._look()
        await super().delete(model, stream_id, epoch)


class Client:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.updates: list[Update] = []
        self.answers: asyncio.Queue[Reply | SkipRnnServiceError] = asyncio.Queue()
        self.saved, self.going_away = 0, list[float]()
        self.lost: tuple[int, str] | None = None
        self.session: StreamSession

    def on_reply(self, reply: Reply) -> None:
        self.updates += reply.updates
        self.answers.put_nowait(reply)

    def on_error(self, error: SkipRnnServiceError) -> None:
        self.answers.put_nowait(error)

    def on_saved(self) -> None:
        self.saved += 1

    def on_go_away(self, seconds: float) -> None:
        self.going_away.append(seconds)

    def on_lost(self, code: int, reason: str) -> None:
        self.lost = code, reason

    async def send(self, samples: "np.ndarray[Any, np.dtype[np.float32]]", t: int | None = None) -> Reply:
        self.session.engine.submit(self.session.stream, t, len(samples), samples.tobytes())
        answer = await self.answers.get()
        assert isinstance(answer, Reply), answer
        return answer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("models")
    (path / "m").mkdir()
    for version in (1, 2):
        write_random_bundle(path / "m" / f"{version}.onnx", name="m", seed=version)
    return path


@pytest.fixture
def store() -> DurableStore:
    return DurableStore(ttl_seconds=60)


@asynccontextmanager
async def registry(folder: Path, store: MemoryStore, **settings: float) -> Any:
    models = ModelRepository(folder)
    models.load()
    calm = {"snapshot_interval_seconds": 1000.0, "ttl_seconds": 60.0, "idle_timeout_seconds": 1000.0}
    quotas = Quotas(max_streams=3, max_opens_per_minute=1000)
    streams = StreamManager(models, store, ServiceStats(), quotas=quotas, **(calm | settings))
    async with streams.running():
        yield streams
    models.close()


async def opened(streams: StreamManager, stream_id: str | None = "s", **options: Any) -> Client:
    client = Client()
    client.session = await streams.open("m", client, stream_id=stream_id, **options)
    return client


def bundle_of(client: Client) -> Bundle:
    return client.session.model.bundle


async def test_a_parked_stream_goes_on_bit_for_bit(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        first = await opened(streams)
        x = random_sequence(bundle_of(first), 100)
        await first.send(x[:37])
        await streams.park(first.session)
        second = await opened(streams)
        assert second.session.resumed
        assert second.session.saved == 37
        await second.send(x[37:])
        expected = unroll(bundle_of(second), x)
    assert [update.t for update in first.updates + second.updates] == expected.t.tolist()
    assert b"".join(update.y for update in first.updates + second.updates) == expected.y.tobytes()


async def test_parking_twice_is_parking_once(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 5))
        await asyncio.gather(streams.park(client.session), streams.park(client.session))
        assert await store.count() == 1


async def test_a_stream_that_nothing_was_sent_to_leaves_nothing_behind(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await streams.park(client.session)
        assert list(streams) == []
        assert not (await opened(streams)).session.resumed
        assert await store.count() == 0


async def test_the_newest_owner_takes_a_live_stream_over(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        old = await opened(streams)
        x = random_sequence(bundle_of(old), 60)
        await old.send(x[:20])
        new = await opened(streams)
        assert old.lost is not None
        assert old.lost[0] == OWNED_ELSEWHERE
        assert not old.session.live
        await new.send(x[20:])
        assert [u.t for u in old.updates + new.updates] == unroll(bundle_of(new), x).t.tolist()


async def test_of_owners_that_race_one_is_left(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        clients = await asyncio.gather(*[opened(streams) for _ in range(8)])
        live = [client for client in clients if client.session.live]
        assert len(live) == 1
        assert len(list(streams)) == 1
        assert all((client.lost is None) == client.session.live for client in clients)


async def test_a_write_of_an_owner_that_was_replaced_elsewhere_loses_it_the_stream(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as here, registry(folder, store) as there:
        old = await opened(here)
        await old.send(random_sequence(bundle_of(old), 20))
        await here.flush()
        new = await opened(there)
        assert (new.session.resumed, new.session.stream.next) == (True, 20)
        await old.send(random_sequence(bundle_of(old), 5))
        await here.flush()
        assert old.lost is not None
        assert old.lost[0] == OWNED_ELSEWHERE
        assert list(here) == []
        await there.flush()
        assert new.lost is None


async def test_streams_of_different_principals_never_meet(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        alice, bob = await opened(streams, principal="alice"), await opened(streams, principal="bob")
        await alice.send(random_sequence(bundle_of(alice), 20))
        await streams.park(alice.session)
        assert bob.lost is None
        mallory = await opened(streams, principal="")
        assert not mallory.session.resumed
        with pytest.raises(MessageError, match="stream_id"):
            await opened(streams, "alice/s")
        again = await opened(streams, principal="alice")
        assert (again.session.id, again.session.resumed) == ("s", True)


async def test_saved_moves_when_the_store_says_so_and_not_before(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        assert client.session.saved == 0
        store.down = True
        await streams.flush()
        assert (client.session.saved, client.saved) == (0, 0)
        assert streams.store_problem == "down on purpose"
        store.down = False
        await streams.flush()
        assert (client.session.saved, client.saved) == (20, 1)
        assert streams.store_problem is None
        await streams.flush()
        assert client.saved == 1, "what did not change is not written again"


async def test_a_reset_sets_saved_back(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.flush()
        client.session.reset()
        assert client.session.saved == 0
        await streams.flush()
        assert client.session.saved == 0
        await client.send(random_sequence(bundle_of(client), 7))
        await streams.flush()
        assert client.session.saved == 7


async def test_samples_that_came_while_the_store_wrote_are_not_called_saved(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        entered, proceed = asyncio.Event(), asyncio.Event()
        write = store.save

        async def slow(records: Sequence[Record]) -> set[Key]:
            entered.set()
            await proceed.wait()
            return await write(records)

        store.save = slow  # type: ignore[method-assign]
        flush = asyncio.create_task(streams.flush())
        await entered.wait()
        await client.send(random_sequence(bundle_of(client), 9))
        proceed.set()
        await flush
        assert client.session.saved == 20
        await streams.flush()
        assert client.session.saved == 29


async def test_a_stream_parked_while_the_store_is_down_is_kept_and_written_later(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        store.down = True
        await streams.park(client.session)
        with pytest.raises(StoreError):
            await opened(streams)
        store.down = False
        await streams.flush()
        assert await store.count() == 1
        assert (await opened(streams)).session.stream.next == 20


async def test_new_streams_open_while_the_store_is_down_and_named_ones_do_not(
    folder: Path, store: DurableStore
) -> None:
    store.down = True
    async with registry(folder, store) as streams:
        with pytest.raises(StoreError):
            await opened(streams, "mine")
        client = await opened(streams, None)
        await client.send(random_sequence(bundle_of(client), 20))
        store.down = False
        await streams.flush()
        assert client.session.saved == 20
        await streams.park(client.session)
        assert (await opened(streams, client.session.id)).session.resumed


async def test_a_drain_tells_saves_and_closes_everybody_and_opens_nothing_more(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        clients = [await opened(streams, f"s{i}") for i in range(3)]
        for client in clients:
            await client.send(random_sequence(bundle_of(client), 20))
        await streams.drain(0)
        assert [client.going_away for client in clients] == [[0]] * 3
        assert [client.lost and client.lost[0] for client in clients] == [RESTART] * 3
        assert await store.count() == 3
        with pytest.raises(OverloadError, match="about to stop"):
            await opened(streams)


async def test_leaving_the_registry_parks_what_is_live(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
    assert await store.count() == 1


async def test_a_silent_stream_is_parked_and_one_that_is_heard_is_not(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store, idle_timeout_seconds=0.2) as streams:
        silent, heard = await opened(streams, "silent"), await opened(streams, "heard")
        await silent.send(random_sequence(bundle_of(silent), 3))
        while silent.lost is None:
            heard.session.quiet = 0
            await asyncio.sleep(0.01)
        assert silent.lost[0] == IDLE
        assert heard.lost is None
        assert (await opened(streams, "silent")).session.stream.next == 3


async def test_what_is_live_but_stands_still_does_not_expire(folder: Path) -> None:
    store = DurableStore(ttl_seconds=1.0)
    async with registry(folder, store, snapshot_interval_seconds=0.02, ttl_seconds=1.0) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        await asyncio.sleep(2.2)
        async with registry(folder, store) as elsewhere:
            assert (await opened(elsewhere)).session.stream.next == 20


async def test_a_stream_stays_on_the_version_it_began_with(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams, version="1")
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.park(client.session)
        with pytest.raises(SnapshotError, match="version 1"):
            await opened(streams, version="2")
        assert (await opened(streams)).session.model.version == "1"
        assert (await opened(streams, "fresh")).session.model.version == "2"


async def test_a_stream_whose_version_is_gone_is_told_so_and_kept(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams, version="1")
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.park(client.session)
        version_1 = streams._models.models["m"].pop("1")
        with pytest.raises(SnapshotError, match=r"version 1 .* is gone"):
            await opened(streams)
        streams._models.models["m"]["1"] = version_1
        assert (await opened(streams)).session.stream.next == 20


async def test_what_cannot_be_opened_is_refused_with_the_reason(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        with pytest.raises(UnknownModelError):
            await streams.open("nothing", Client())
        with pytest.raises(ThresholdError):
            await opened(streams, threshold=0.3)
        for stream_id in ("", "a b", "ü", "x" * 129):
            with pytest.raises(MessageError, match="1 to 128"):
                await opened(streams, stream_id)
        assert list(streams) == []


async def test_a_full_engine_takes_no_stream_away_from_its_owner(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        parked = await opened(streams)
        await parked.send(random_sequence(bundle_of(parked), 20))
        await streams.park(parked.session)
        engine = parked.session.engine
        engine.capacity, kept = 0, engine.capacity
        with pytest.raises(OverloadError):
            await opened(streams)
        engine.capacity = kept
        assert (await opened(streams)).session.stream.next == 20
