"""Every store keeps what it promises, for as long as it promises, and lets one owner of a stream write."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.errors import SnapshotError
from skiprnn_service.stores.base import FENCE_SECONDS, Record, Store
from skiprnn_service.stores.snapshot import dumps
from support.redis_server import RedisServer
from support.stores import SNAPSHOT, TTL_SECONDS, MemoryCase, RedisCase, SqliteCase, StoreCase, at

KEY = (SNAPSHOT.model, SNAPSHOT.stream_id)


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreCase]:
    case = make(request.param, request, tmp_path)
    yield case
    await case.close()


@pytest.fixture(params=["sqlite", "redis"])
async def durable(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreCase]:
    case = make(request.param, request, tmp_path)
    yield case
    await case.close()


def make(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> StoreCase:
    if kind == "memory":
        return MemoryCase()
    return SqliteCase(tmp_path) if kind == "sqlite" else RedisCase(request.getfixturevalue("redis_server"))


def named(stream_id: str) -> Snapshot:
    return SNAPSHOT._replace(stream_id=stream_id)


async def park(store: Store, *stream_ids: str) -> None:
    for stream_id in stream_ids:
        claim = await store.claim("watch", stream_id)
        assert not await store.save([Record(claim.epoch, True, named(stream_id))])


# -- what is kept


async def test_a_stream_is_found_as_it_was_left(case: StoreCase) -> None:
    epoch, nothing = await case.store.claim(*KEY)
    assert nothing is None
    assert await case.store.save([Record(epoch, True, SNAPSHOT)]) == set()
    assert (await case.store.claim(*KEY)).snapshot == SNAPSHOT
    assert (await case.store.claim("other", SNAPSHOT.stream_id)).snapshot is None
    assert (await case.store.claim("watch", "other")).snapshot is None


async def test_a_later_snapshot_takes_the_place_of_an_earlier_one(case: StoreCase) -> None:
    later = at(SNAPSHOT, next=200, samples=1_200, recent=())._replace(state=b"\x07" * 5_000)
    epoch, _ = await case.store.claim(*KEY)
    for snapshot in (SNAPSHOT, later):
        assert not await case.store.save([Record(epoch, False, snapshot)])
    assert (await case.store.claim(*KEY)).snapshot == later


async def test_a_claim_takes_nothing_away_so_its_owner_may_die(case: StoreCase) -> None:
    await park(case.store, SNAPSHOT.stream_id)
    for _ in range(3):
        assert (await case.store.claim(*KEY)).snapshot == SNAPSHOT


@pytest.mark.parametrize(
    "stream_id", ["a b/c?d:e%", "naïve ∑ 😀", "x'; DROP TABLE streams; --", "a\x00b", "a" * 4000]
)
async def test_any_id_is_only_an_id(case: StoreCase, stream_id: str) -> None:
    await park(case.store, stream_id, "a", "a b/c?d:e")
    assert (await case.store.claim("watch", stream_id)).snapshot == named(stream_id)
    assert await case.store.count() == 2


async def test_counts_the_parked_and_not_the_live(case: StoreCase) -> None:
    await park(case.store, "a", "b", "c")
    claim = await case.store.claim("watch", "b")
    assert await case.store.count() == 2
    await case.store.save([Record(claim.epoch, False, named("b"))])
    assert await case.store.count() == 2
    await case.store.save([Record(claim.epoch, True, named("b"))])
    assert await case.store.count() == 3


async def test_lists_the_parked_newest_first_and_no_others(case: StoreCase) -> None:
    for number in range(5):
        snapshot = at(named(f"alice/s:{number}"), next=number)
        epoch, _ = await case.store.claim(snapshot.model, snapshot.stream_id)
        await case.store.save([Record(epoch, number != 2, snapshot)])
        await case.pass_time(0.01)
    parked = await case.store.parked(3)
    assert [snapshot.position.next for snapshot in parked] == [4, 3, 1]
    assert parked[0] == at(named("alice/s:4"), next=4)
    assert len(await case.store.parked(100)) == 4


async def test_takes_thousands_at_once_and_says_which_were_fenced(case: StoreCase) -> None:
    ids = [f"s{number}" for number in range(2_000)]
    claims = await asyncio.gather(*(case.store.claim("watch", stream_id) for stream_id in ids))
    assert len({claim.epoch for claim in claims}) == len(ids)
    taken = set(ids[::7])
    for stream_id in taken:
        await case.store.claim("watch", stream_id)
    records = [Record(claim.epoch, True, named(i)) for claim, i in zip(claims, ids, strict=True)]
    assert await case.store.save(records) == {("watch", stream_id) for stream_id in taken}
    assert await case.store.count() == len(ids) - len(taken)
    assert (await case.store.claim("watch", "s1")).snapshot == named("s1")
    assert (await case.store.claim("watch", "s7")).snapshot is None


async def test_nothing_to_save_is_nothing(case: StoreCase) -> None:
    assert await case.store.save([]) == set()
    await case.store.check()
    assert await case.store.count() == 0


async def test_a_snapshot_of_a_megabyte_is_kept(case: StoreCase) -> None:
    large = [named(f"s{number}")._replace(state=bytes([number]) * 2**20) for number in range(4)]
    epochs = [(await case.store.claim(large[0].model, snapshot.stream_id)).epoch for snapshot in large]
    assert not await case.store.save([Record(epoch, True, s) for epoch, s in zip(epochs, large, strict=True)])
    assert (await case.store.claim("watch", "s3")).snapshot == large[3]


# -- who may write


async def test_epochs_grow_whatever_stream_they_are_of(case: StoreCase) -> None:
    claims = [await case.store.claim("watch", stream_id) for stream_id in "abacab"]
    epochs = [claim.epoch for claim in claims]
    assert epochs == sorted(set(epochs))
    assert epochs[0] >= 1


async def test_an_older_owner_writes_nothing_and_is_told(case: StoreCase) -> None:
    old, _ = await case.store.claim(*KEY)
    new, _ = await case.store.claim(*KEY)
    newer = at(SNAPSHOT, next=500)
    assert await case.store.save([Record(old, True, SNAPSHOT)]) == {KEY}
    assert await case.store.save([Record(new, False, newer)]) == set()
    assert await case.store.save([Record(old, True, SNAPSHOT)]) == {KEY}
    assert await case.store.count() == 0
    assert (await case.store.claim(*KEY)).snapshot == newer


async def test_a_stream_that_ended_is_forgotten_and_nobody_brings_it_back(case: StoreCase) -> None:
    old, _ = await case.store.claim(*KEY)
    new, _ = await case.store.claim(*KEY)
    await case.store.save([Record(new, True, SNAPSHOT)])
    await case.store.delete(*KEY, new)
    assert await case.store.count() == 0
    for late in (old, new):
        assert await case.store.save([Record(late, True, SNAPSHOT)]) == {KEY}
    again = await case.store.claim(*KEY)
    assert again.snapshot is None
    assert again.epoch > new
    assert not await case.store.save([Record(again.epoch, True, SNAPSHOT)])
    assert case.store.expired == 0


async def test_an_older_owner_cannot_end_a_stream(case: StoreCase) -> None:
    old, _ = await case.store.claim(*KEY)
    new, _ = await case.store.claim(*KEY)
    await case.store.save([Record(new, True, SNAPSHOT)])
    await case.store.delete(*KEY, old)
    assert await case.store.count() == 1
    assert (await case.store.claim(*KEY)).snapshot == SNAPSHOT


async def test_ending_what_was_never_there_is_nothing(case: StoreCase) -> None:
    await case.store.delete("watch", "never there", 7)
    assert await case.store.count() == 0


async def test_of_many_owners_at_once_one_writes(case: StoreCase) -> None:
    stores = [case.store, case.another(), case.another()]
    claims = await asyncio.gather(*(store.claim(*KEY) for store in stores * 5))
    epochs = [claim.epoch for claim in claims]
    assert len(set(epochs)) == 15
    records = [Record(epoch, False, at(SNAPSHOT, next=epoch)) for epoch in epochs]
    written = zip(stores * 5, records, strict=True)
    fenced = await asyncio.gather(*(store.save([record]) for store, record in written))
    assert [not keys for keys in fenced] == [epoch == max(epochs) for epoch in epochs]
    found = (await case.store.claim(*KEY)).snapshot
    assert found is not None
    assert found.position.next == max(epochs)


# -- for how long


async def test_a_parked_stream_is_forgotten_at_its_time_and_not_before(case: StoreCase) -> None:
    await park(case.store, "a", "b")
    await case.pass_time(TTL_SECONDS - 10)
    assert await case.store.count() == 2
    await case.pass_time(10)
    assert await case.store.count() == 0
    assert (await case.store.claim("watch", "a")).snapshot is None
    assert case.store.expired == 2


async def test_every_claim_and_save_starts_the_time_again(case: StoreCase) -> None:
    await park(case.store, "claimed", "saved", "left")
    saved, _ = await case.store.claim("watch", "saved")
    await case.pass_time(TTL_SECONDS - 10)
    await case.store.claim("watch", "claimed")
    await case.store.save([Record(saved, True, named("saved"))])
    await case.pass_time(20)
    found = [(await case.store.claim("watch", name)).snapshot for name in ("claimed", "saved", "left")]
    assert found == [named("claimed"), named("saved"), None]


async def test_an_owner_whose_record_expired_may_write_it_again(case: StoreCase) -> None:
    epoch, _ = await case.store.claim(*KEY)
    await case.pass_time(TTL_SECONDS + 1)
    assert await case.store.save([Record(epoch, True, SNAPSHOT)]) == set()
    assert (await case.store.claim(*KEY)).snapshot == SNAPSHOT


async def test_an_ended_stream_keeps_late_owners_out_for_a_bounded_time(case: StoreCase) -> None:
    epoch, _ = await case.store.claim(*KEY)
    await case.store.delete(*KEY, epoch)
    await case.pass_time(FENCE_SECONDS - 10)
    assert await case.store.save([Record(epoch, True, SNAPSHOT)]) == {KEY}
    await case.pass_time(20)
    assert await case.store.save([Record(epoch, True, SNAPSHOT)]) == set()


@pytest.mark.parametrize("kind", [MemoryCase, SqliteCase])
async def test_forgets_the_oldest_when_full(kind: type[MemoryCase | SqliteCase], tmp_path: Path) -> None:
    case = MemoryCase(capacity=3) if kind is MemoryCase else SqliteCase(tmp_path, capacity=3)
    await park(case.store, "a", "b", "c")
    await case.store.claim("watch", "claimed and never saved")
    await case.pass_time(10)
    await park(case.store, "a", "d")
    await case.pass_time(10)
    assert await case.store.count() == 3
    found = [(await case.store.claim("watch", name)).snapshot is not None for name in "abcd"]
    assert found == [True, False, True, True]
    assert case.store.expired == 1
    await case.close()


Kind = type[MemoryCase | SqliteCase]
both = pytest.mark.parametrize("kind", [MemoryCase, SqliteCase])


@both
async def test_the_principal_with_most_streams_makes_room_and_not_its_neighbour(
    kind: Kind, tmp_path: Path
) -> None:
    case = MemoryCase(capacity=6) if kind is MemoryCase else SqliteCase(tmp_path, capacity=6)
    await park(case.store, "bob/1", "bob/2", "carol/1")
    for number in range(20):
        await park(case.store, f"alice/{number}")
        await case.pass_time(2)
    assert await case.store.count() <= 7
    found = [
        name
        for name in ("bob/1", "bob/2", "carol/1", *(f"alice/{number}" for number in range(20)))
        if (await case.store.claim("watch", name)).snapshot
    ]
    assert found[:3] == ["bob/1", "bob/2", "carol/1"]
    assert found[-3:] == ["alice/17", "alice/18", "alice/19"]
    await case.close()


@both
async def test_a_principal_has_a_bound_of_its_own_and_who_has_no_name_has_none(
    kind: Kind, tmp_path: Path
) -> None:
    bound = {"per_principal": 2}
    case = MemoryCase(**bound) if kind is MemoryCase else SqliteCase(tmp_path, **bound)
    await park(case.store, *(f"alice/{number}" for number in range(5)))
    await case.pass_time(2)
    await park(case.store, "bob/1", "a", "b", "c", "d")
    await case.pass_time(2)
    assert await case.store.count() == 7
    assert case.store.expired == 3
    for name in ("alice/3", "alice/4", "bob/1", "a", "b", "c", "d"):
        assert (await case.store.claim("watch", name)).snapshot, name
    await case.close()


# -- what lasts, and what is refused


async def test_what_was_saved_outlives_whoever_saved_it(durable: StoreCase) -> None:
    assert durable.store.durable
    assert durable.store.shared
    await park(durable.store, SNAPSHOT.stream_id)
    epoch, _ = await durable.store.claim(*KEY)
    await durable.store.save([Record(epoch, True, SNAPSHOT)])
    await durable.store.close()
    store = durable.another()
    assert await store.count() == 1
    claim = await store.claim(*KEY)
    assert claim.snapshot == SNAPSHOT
    assert claim.epoch > epoch


DAMAGED = {
    "altered": dumps(SNAPSHOT)[:-1] + b"\xff",
    "truncated": dumps(SNAPSHOT)[:50],
    "empty head": b"\x00",
    "of another format": b"\x63\x00" + dumps(SNAPSHOT)[2:],
    "of another stream": dumps(SNAPSHOT._replace(stream_id="sensor-8")),
}


@pytest.mark.parametrize("damage", DAMAGED)
async def test_a_damaged_snapshot_is_refused_counted_and_gone(durable: StoreCase, damage: str) -> None:
    old, _ = await durable.store.claim(*KEY)
    await durable.store.save([Record(old, True, SNAPSHOT)])
    await durable.damage(DAMAGED[damage])
    with pytest.raises(SnapshotError, match="expected"):
        await durable.store.claim(*KEY)
    assert durable.store.damaged == 1
    assert await durable.store.count() == 0
    assert await durable.store.save([Record(old, True, SNAPSHOT)]) == {KEY}
    assert (await durable.store.claim(*KEY)).snapshot is None
    assert durable.store.damaged == 1


async def test_without_a_claim_a_stream_is_written_until_somebody_claims_it(case: StoreCase) -> None:
    """Epoch 0: streams that were opened while the store was down."""
    later = at(SNAPSHOT, next=200, samples=1_200)
    for snapshot in (SNAPSHOT, later):
        assert await case.store.save([Record(0, False, snapshot)]) == set()
    epoch, found = await case.another().claim(*KEY)
    assert (epoch > 0, found) == (True, later)
    assert await case.store.save([Record(0, True, later)]) == {KEY}
    await case.store.delete(*KEY, 0)
    assert (await case.store.claim(*KEY)).snapshot == later


async def test_without_a_claim_nothing_is_written_to_a_stream_that_was_claimed(case: StoreCase) -> None:
    await case.another().claim(*KEY)
    assert await case.store.save([Record(0, True, SNAPSHOT)]) == {KEY}
    assert (await case.store.claim(*KEY)).snapshot is None


async def test_without_a_claim_a_stream_that_ended_is_not_brought_back(case: StoreCase) -> None:
    await case.store.save([Record(0, True, SNAPSHOT)])
    await case.store.delete(*KEY, 0)
    assert await case.store.save([Record(0, True, SNAPSHOT)]) == {KEY}
    assert (await case.store.claim(*KEY)).snapshot is None
