"""The live streams of a process: owners, saving, and a store that fails."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine.stream import Reply, Update
from skiprnn_service.errors import (
    MessageError,
    OverloadError,
    QuotaError,
    SkipRnnServiceError,
    SnapshotError,
    StoreError,
    ThresholdError,
    UnknownModelError,
)
from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.base import Claim, Key, Record, Store
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.stores.sqlite import SqliteStore
from skiprnn_service.streams import manager
from skiprnn_service.streams.manager import IDLE, OWNED_ELSEWHERE, RESTART, StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import StreamSession
from support.bundles import random_sequence, write_random_bundle


class DurableStore(MemoryStore):
    """In memory, but it says that it survives; every call takes a turn of the loop, and fails while it is `down`."""

    durable = True
    down = False
    claims = 0

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise StoreError("down on purpose")

    async def claim(self, *key: str) -> Claim:
        self.claims += 1
        await self._answer()
        return await super().claim(*key)

    async def save(self, records: Sequence[Record]) -> set[Key]:
        await self._answer()
        return await super().save(records)

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        await self._answer()
        await super().delete(model, stream_id, epoch)

    async def check(self) -> None:
        await self._answer()


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
        self.session.engine.submit(self.session.slot, t, len(samples), samples.tobytes())
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
async def registry(folder: Path, store: Store, **settings: float) -> Any:
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
        assert (new.session.resumed, new.session.slot.next) == (True, 20)
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


async def test_a_stream_parked_while_the_store_is_down_is_written_later(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        store.down = True
        await streams.park(client.session)
        store.down = False
        await streams.flush()
        assert await store.count() == 1
        assert (await opened(streams)).session.slot.next == 20


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


# -- handing over in this process


async def test_ids_made_here_do_not_ask_a_store_that_is_down_until_it_is_back(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        store.down = True
        await opened(streams, None)  # finds out
        assert store.claims == 1
        for _ in range(2):
            client = await opened(streams, None, principal="alice")
            client.session.engine.end(client.session.slot, partial(streams.ended, client.session))
        assert store.claims == 1
        await asyncio.gather(*streams._tasks)
        store.down = False
        await streams.flush()
        assert streams.store_problem is None
        await opened(streams, None, principal="alice")
        assert store.claims == 2


async def test_a_flush_with_nothing_to_write_finds_out_that_the_store_is_back(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        store.down = True
        with pytest.raises(StoreError):
            await opened(streams)
        await streams.flush()
        assert streams.store_problem
        store.down = False
        await streams.flush()
        assert streams.store_problem is None


async def test_what_a_store_lost_is_written_again_though_nothing_moved(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "streams.db"
    store = SqliteStore(file, ttl_seconds=60)
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.flush()
        await streams.flush()
        for name in tmp_path.iterdir():
            name.unlink()
        await streams.flush()
        with closing(sqlite3.connect(file)) as connection:
            found = connection.execute("SELECT count(*) FROM streams WHERE snapshot IS NOT NULL").fetchone()
        assert found == (1,)
    await store.close()


async def test_what_is_lost_and_found_by_a_claim_is_written_again_too(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "streams.db"
    store = SqliteStore(file, ttl_seconds=60)
    async with registry(folder, store) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.flush()
        await streams.flush()
        for name in tmp_path.iterdir():
            name.unlink()
        await opened(streams, "other")
        await streams.flush()
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT snapshot FROM streams WHERE stream_id = 's'").fetchone()[0]
    await store.close()


@pytest.mark.parametrize("parked", [False, True])
async def test_a_stream_that_is_here_is_handed_over_while_the_store_is_down(
    folder: Path, store: DurableStore, parked: bool
) -> None:
    async with registry(folder, store) as streams:
        old = await opened(streams)
        x = random_sequence(bundle_of(old), 60)
        await old.send(x[:20])
        store.down = True
        if parked:
            await streams.park(old.session)
        new = await opened(streams, version="2")
        assert (old.lost is None) == parked
        assert (new.session.resumed, new.session.slot.next, new.session.saved) == (True, 20, 0)
        await new.send(x[20:])
        assert [u.t for u in old.updates + new.updates] == unroll(bundle_of(new), x).t.tolist()
        store.down = False
        await streams.flush()
        assert (new.lost, new.session.saved) == (None, 60)
        await streams.park(new.session)
        assert (await opened(streams)).session.slot.next == 60


@pytest.mark.parametrize("parked", [False, True])
@pytest.mark.parametrize("down_at_the_opening", [False, True])
async def test_a_stream_that_a_replica_claimed_in_an_outage_is_its_own_when_the_store_is_back(
    folder: Path, store: DurableStore, parked: bool, down_at_the_opening: bool
) -> None:
    """Handed over here meanwhile or not: the state of the replica stands."""
    elsewhere = DurableStore(ttl_seconds=60)
    elsewhere.__dict__ = store.__dict__ | {"down": False}  # the same rows, reached by another way
    async with registry(folder, store) as here, registry(folder, elsewhere) as there:
        store.down = down_at_the_opening
        first = await opened(here, None)
        assert (first.session.epoch == 0) == down_at_the_opening
        await first.send(random_sequence(bundle_of(first), 20))
        store.down = True
        if parked:
            await here.park(first.session)
        newer = await opened(there, first.session.id)
        await newer.send(random_sequence(bundle_of(newer), 7))
        second = await opened(here, first.session.id)
        assert second.session.slot.next == 20, "what a replica did is not visible from here"
        await second.send(random_sequence(bundle_of(second), 5))
        store.down = False
        await here.flush()
        assert second.lost is not None
        assert second.lost[0] == OWNED_ELSEWHERE
        assert list(here) == []
        await there.flush()
        assert newer.lost is None
        third = await opened(here, first.session.id)
        assert third.session.slot.next == 7


async def test_a_handover_under_a_store_that_answers_finds_what_a_replica_did(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as here, registry(folder, store) as there:
        old = await opened(here)
        await old.send(random_sequence(bundle_of(old), 20))
        newer = await opened(there)
        await newer.send(random_sequence(bundle_of(newer), 7))
        await there.flush()
        again = await opened(here)
        assert again.session.slot.next == 7
        await again.send(random_sequence(bundle_of(again), 2))
        await here.flush()
        assert (again.lost, again.session.saved) == (None, 9)


async def test_a_claim_that_failed_and_was_carried_out_does_not_fence_its_own_stream(
    folder: Path, store: DurableStore
) -> None:
    claim = store.claim

    async def carried_out_late(*key: str) -> Claim:
        await claim(*key)
        raise StoreError("no answer in time")

    store.claim = carried_out_late  # type: ignore[method-assign]
    async with registry(folder, store) as streams:
        client = await opened(streams, None, principal="alice")
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.flush()
        assert (client.lost, client.session.saved) == (None, 20)
        store.claim = claim  # type: ignore[method-assign]
        again = await opened(streams, client.session.id, principal="alice")
        assert again.session.resumed


async def test_a_stream_opened_in_an_outage_and_ended_is_forgotten(folder: Path, store: DurableStore) -> None:
    store.down = True
    async with registry(folder, store) as streams:
        client = await opened(streams, None)
        await client.send(random_sequence(bundle_of(client), 20))
        store.down = False
        await streams.flush()
        session = client.session
        session.engine.end(session.slot, lambda: streams.ended(session))
        await asyncio.gather(*streams._tasks)
        assert not (await opened(streams, session.id)).session.resumed


async def test_an_opening_that_is_cancelled_loses_nothing(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams, principal="alice")
        await client.send(random_sequence(bundle_of(client), 20))
        opening = asyncio.create_task(opened(streams, principal="alice"))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert list(streams) == []
        assert not streams._quotas._live
        assert (await opened(streams, principal="alice")).session.slot.next == 20


# -- many at once, and what changes while the store answers


class SlowStore(DurableStore):
    """Each call takes long enough for others to begin."""

    async def _answer(self) -> None:
        await asyncio.sleep(0.01)
        await super()._answer()


async def test_a_stream_that_is_taken_over_during_a_flush_is_not_left_parked_in_the_store(
    folder: Path,
) -> None:
    store = SlowStore(ttl_seconds=60)
    async with registry(folder, store) as streams:
        first = await opened(streams)
        await first.send(random_sequence(bundle_of(first), 3))
        opening = asyncio.create_task(opened(streams))
        await asyncio.sleep(0.002)  # the takeover waits for the store
        await asyncio.gather(opening, streams.flush())
        await streams.flush()
        assert (len(streams), await store.count()) == (1, 0)


async def test_a_stream_that_ended_is_not_found_by_an_opening_that_follows_at_once(folder: Path) -> None:
    store = SlowStore(ttl_seconds=60)
    async with registry(folder, store) as streams:
        first = await opened(streams)
        await first.send(random_sequence(bundle_of(first), 3))
        await streams.flush()
        first.session.engine.end(first.session.slot, partial(streams.ended, first.session))
        second = await opened(streams)
        assert (second.session.resumed, second.session.slot.next) == (False, 0)


async def outcomes(streams: StreamManager, count: int, **options: Any) -> list[Any]:
    """Of so many openings at once."""
    ids = [f"s{number}" for number in range(count)]
    return await asyncio.gather(*[opened(streams, i, **options) for i in ids], return_exceptions=True)


async def test_a_hundred_openings_at_once_stay_within_a_principals_quota(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        found = await outcomes(streams, 100, principal="alice")
        assert [type(outcome) for outcome in found].count(Client) == 3
        assert sum(isinstance(outcome, QuotaError) for outcome in found) == 97
        assert (len(streams), store.claims) == (3, 3)
        for client in found[:3]:
            await streams.park(client.session)
        assert [type(outcome) for outcome in await outcomes(streams, 3, principal="alice")] == [Client] * 3


async def test_a_hundred_openings_at_once_claim_no_more_streams_than_there_is_room_for(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        engine = streams._models.get("m").engine
        engine.capacity = 5
        found = await outcomes(streams, 100)
        assert [type(outcome) for outcome in found].count(Client) == 5
        assert sum(isinstance(outcome, OverloadError) for outcome in found) == 95
        assert (engine.live, engine.opening, store.claims) == (5, 0, 5)


async def test_a_stream_is_taken_over_where_there_is_room_for_no_other(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        streams._models.get("m").engine.capacity = 3
        clients = [await opened(streams, f"s{i}", principal="alice") for i in range(3)]
        again = await opened(streams, "s1", principal="alice")
        assert clients[1].lost is not None
        assert again.session.live
        with pytest.raises(QuotaError):
            await opened(streams, "s3", principal="alice")
        with pytest.raises(OverloadError):
            await opened(streams, "s1", principal="bob")


async def test_a_drain_that_begins_during_an_opening_ends_it(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        parked = await opened(streams, "s0")
        await parked.send(random_sequence(bundle_of(parked), 20))
        await streams.park(parked.session)
        opening = asyncio.create_task(outcomes(streams, 100))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await streams.drain(0)
        assert {type(outcome) for outcome in await opening} == {OverloadError}
        assert list(streams) == []
        assert await store.count() == 1
        streams.draining = False
        assert (await opened(streams, "s0")).session.slot.next == 20


async def test_a_version_that_goes_while_a_stream_is_opened_gets_no_new_stream(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        opening = asyncio.create_task(opened(streams))
        await asyncio.sleep(0)
        await streams._models.unload("m")
        with pytest.raises(UnknownModelError):
            await opening
        assert list(streams) == []


# -- listeners that raise


class Broken(Client):
    """A listener with a bug."""

    def on_saved(self) -> None:
        raise RuntimeError("on_saved")

    def on_go_away(self, seconds: float) -> None:  # noqa: ARG002
        raise RuntimeError("on_go_away")

    def on_lost(self, code: int, reason: str) -> None:
        super().on_lost(code, reason)
        raise RuntimeError("on_lost")


@asynccontextmanager
async def with_broken(folder: Path, store: DurableStore, **settings: float) -> Any:
    """Streams of two clients, the first with a listener that raises; and what the loop was told."""
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: problems.append(str(context["exception"]))
    )
    async with registry(folder, store, **settings) as streams:
        clients = [Broken(), Client()]
        for number, client in enumerate(clients):
            client.session = await streams.open("m", client, stream_id=f"s{number}")
            await client.send(random_sequence(bundle_of(client), 20))
        yield streams, clients, problems


async def test_a_listener_that_raises_does_not_end_the_sweeping(folder: Path, store: DurableStore) -> None:
    async with with_broken(folder, store, idle_timeout_seconds=0.2) as (streams, clients, problems):
        while not all(client.lost for client in clients) or len(streams):
            await asyncio.sleep(0.01)
        late = await opened(streams, "late")
        while late.lost is None:
            await asyncio.sleep(0.01)
    assert problems == ["on_lost"]


async def test_a_listener_that_raises_does_not_end_a_drain(folder: Path, store: DurableStore) -> None:
    async with with_broken(folder, store) as (streams, clients, problems):
        await streams.drain(0)
        assert [client.lost and client.lost[0] for client in clients] == [RESTART] * 2
        assert clients[1].going_away == [0]
        assert await store.count() == 2
    assert problems == ["on_go_away", "on_lost"]


async def test_a_listener_that_raises_does_not_keep_others_from_being_saved_or_opened(
    folder: Path, store: DurableStore
) -> None:
    async with with_broken(folder, store) as (streams, clients, problems):
        await streams.flush()
        assert [client.session.saved for client in clients] == [20, 20]
        assert (await opened(streams, "s0")).session.resumed
    assert problems == ["on_saved", "on_lost"]


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


class HangingStore(DurableStore):
    """It counts the writes that it never answers."""

    hangs, writes = False, 0

    async def save(self, records: Sequence[Record]) -> set[Key]:
        if self.hangs:
            self.writes += 1
            await asyncio.sleep(3600)
        return await super().save(records)


async def test_a_drain_asks_a_store_that_hangs_twice_however_many_streams_there_are(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "_DRAIN_SECONDS", 0.01)
    monkeypatch.setattr(manager, "_BATCH", 2)
    store = HangingStore(ttl_seconds=60)
    async with registry(folder, store) as streams:
        clients = [await opened(streams, f"s{number}") for number in range(9)]
        for client in clients:
            await client.send(random_sequence(bundle_of(client), 3))
        store.hangs = True
        await streams.drain(0)
        assert store.writes == 2
        assert all(client.lost and client.lost[0] == RESTART for client in clients)
        assert len(streams._unsaved) == 9
    assert store.writes == 2  # nor again when the application ends


async def test_a_round_of_saving_or_sweeping_that_fails_is_not_the_last(
    folder: Path, store: DurableStore, caplog: pytest.LogCaptureFixture
) -> None:
    save, failures = store.save, iter((OverflowError("on purpose"), ZeroDivisionError("on purpose")))

    async def failing(records: Sequence[Record]) -> set[Key]:
        for error in failures:
            raise error
        return await save(records)

    store.save = failing  # type: ignore[method-assign]
    async with registry(folder, store, snapshot_interval_seconds=0.01) as streams, asyncio.timeout(10):
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        while not client.saved:
            await asyncio.sleep(0.01)
    assert caplog.text.count("on purpose") == 2


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
            heard.session.idle_sweeps = 0
            await asyncio.sleep(0.01)
        assert silent.lost[0] == IDLE
        assert heard.lost is None
        assert (await opened(streams, "silent")).session.slot.next == 3


async def test_what_is_live_but_stands_still_does_not_expire(folder: Path) -> None:
    store = DurableStore(ttl_seconds=1.0)
    async with registry(folder, store, snapshot_interval_seconds=0.02, ttl_seconds=1.0) as streams:
        client = await opened(streams)
        await client.send(random_sequence(bundle_of(client), 20))
        await asyncio.sleep(2.2)
        async with registry(folder, store) as elsewhere:
            assert (await opened(elsewhere)).session.slot.next == 20


async def test_a_stream_stays_on_the_version_it_began_with(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams, version="1")
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.park(client.session)
        with pytest.raises(SnapshotError, match="version 1"):
            await opened(streams, version="2")
        assert (await opened(streams)).session.model.version == "1"
        with pytest.raises(SnapshotError, match="version 1"):
            await opened(streams, version="2")
        assert streams._live
        assert (await opened(streams, "fresh")).session.model.version == "2"


async def only_version_2(streams: StreamManager) -> None:
    removed = streams._models.models["m"].pop("1")
    streams._models._drain([removed])


async def nothing(streams: StreamManager) -> None:
    await streams._models.unload("m")


@pytest.mark.parametrize("remove", [only_version_2, nothing])
@pytest.mark.parametrize("parked", [False, True])
async def test_a_stream_goes_on_with_a_draining_version_that_its_client_names(
    folder: Path, store: DurableStore, remove: Any, parked: bool
) -> None:
    async with registry(folder, store) as streams:
        other, client = await opened(streams, "other", version="1"), await opened(streams, version="1")
        for each in (other, client):
            await each.send(random_sequence(bundle_of(each), 20))
        await remove(streams)
        streams._models.forget_drained()
        if parked:
            await streams.park(client.session)
        again = await opened(streams, version="1")
        assert (again.session.model.version, again.session.slot.next) == ("1", 20)
        for stream_id in (None, "new"):
            with pytest.raises(UnknownModelError):
                await opened(streams, stream_id, version="1")
        await streams.park(again.session)
        await streams.park(other.session)
        streams._models.forget_drained()
        with pytest.raises(SnapshotError, match=r"version 1 .* is gone"):
            await opened(streams, version="1")


async def test_the_last_stream_of_a_draining_version_is_handed_over_during_an_outage(
    folder: Path, store: DurableStore
) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams, version="1")
        await client.send(random_sequence(bundle_of(client), 20))
        await streams._models.unload("m")
        opening = asyncio.create_task(opened(streams, version="1"))
        await asyncio.sleep(0)
        streams._models.forget_drained()  # while it is live nowhere
        assert (await opening).session.slot.next == 20


async def test_a_stream_whose_version_is_gone_is_told_so_and_kept(folder: Path, store: DurableStore) -> None:
    async with registry(folder, store) as streams:
        client = await opened(streams, version="1")
        await client.send(random_sequence(bundle_of(client), 20))
        await streams.park(client.session)
        version_1 = streams._models.models["m"].pop("1")
        with pytest.raises(SnapshotError, match=r"version 1 .* is gone"):
            await opened(streams)
        streams._models.models["m"]["1"] = version_1
        assert (await opened(streams)).session.slot.next == 20


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
        assert (await opened(streams)).session.slot.next == 20
