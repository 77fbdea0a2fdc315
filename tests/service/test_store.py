"""Every store keeps what it promises, for as long as it promises, and lets one owner write."""

import pytest

from skiprnn_service.store import MemoryStore, Record, open_store
from support.stores import SNAPSHOT


async def test_a_parked_stream_is_found_by_its_next_owner() -> None:
    store = MemoryStore(ttl_seconds=60)
    epoch, nothing = await store.claim("watch", "sensor-7")
    assert nothing is None
    assert await store.save([Record(epoch, True, SNAPSHOT)]) == set()
    assert await store.count() == 1
    assert (await store.claim("watch", "sensor-7")).snapshot == SNAPSHOT
    assert await store.count() == 0
    assert await store.save([Record(epoch, True, SNAPSHOT)]) == {("watch", "sensor-7")}


def test_says_what_urls_it_takes() -> None:
    with pytest.raises(ValueError, match="expected memory, sqlite:///path, redis"):
        open_store("mysql://me:secret@host", ttl_seconds=60)
