"""A store in memory: what it counts and what it forgets."""

from skiprnn_service.stores.base import FENCE_SECONDS, Record
from skiprnn_service.stores.memory import MemoryStore
from support.stores import SNAPSHOT, TTL_SECONDS, Clock

KEY = (SNAPSHOT.model, SNAPSHOT.stream_id)


async def test_it_says_that_it_is_neither_durable_nor_shared() -> None:
    assert (MemoryStore.durable, MemoryStore.shared) == (False, False)


async def test_a_fence_that_expired_is_not_in_the_way_behind_a_longer_one() -> None:
    clock = Clock()
    store = MemoryStore(ttl_seconds=TTL_SECONDS, clock=clock)
    await store.delete("watch", "ended", 1)  # a fence of FENCE_SECONDS
    claim = await store.claim(*KEY)  # one of TTL_SECONDS behind it
    clock.now += TTL_SECONDS + 1
    assert TTL_SECONDS < FENCE_SECONDS
    assert not await store.save([Record(claim.epoch - 1, True, SNAPSHOT)])


async def test_a_closed_store_is_empty() -> None:
    store = MemoryStore(ttl_seconds=TTL_SECONDS)
    await store.save([Record(1, True, SNAPSHOT)])
    await store.close()
    assert await store.count() == 0
    assert (await store.claim(*KEY)).snapshot is None
