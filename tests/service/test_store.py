"""Snapshots survive as bytes, and stores keep them as long as they promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_service.errors import SnapshotError
from skiprnn_service.store import MemoryStore, Store, dumps, loads
from skiprnn_service.stream import Snapshot

SNAPSHOT = Snapshot(
    model="watch",
    version="3",
    bundle_sha256="ab" * 32,
    stream_id="sensor-7",
    threshold=0.5,
    next=100,
    left=4,
    samples=1_100,
    updates=90,
    state=b"\x00\x01" * 64,
    last_y=None,
)

counts = st.integers(0, 2**63)
snapshots = st.builds(
    Snapshot,
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.floats(0.5, 1),
    counts,
    counts,
    counts,
    counts,
    st.binary(),
    st.none() | st.binary(),
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def named(*stream_ids: str) -> list[Snapshot]:
    return [SNAPSHOT._replace(stream_id=stream_id) for stream_id in stream_ids]


@given(snapshots)
def test_a_snapshot_comes_back_as_it_was(snapshot: Snapshot) -> None:
    assert loads(dumps(snapshot)) == snapshot


@pytest.mark.parametrize("position", [0, 5, 6, 40, -1])
def test_altered_bytes_are_refused(position: int) -> None:
    data = bytearray(dumps(SNAPSHOT))
    data[position] ^= 1
    with pytest.raises(SnapshotError, match="expected"):
        loads(bytes(data))


@pytest.mark.parametrize("length", [0, 3, 6, 100])
def test_truncated_bytes_are_refused(length: int) -> None:
    with pytest.raises(SnapshotError, match="expected"):
        loads(dumps(SNAPSHOT)[:length])


def test_another_format_is_refused_by_its_number() -> None:
    with pytest.raises(SnapshotError, match="expected format 1, got 2"):
        loads(b"\x02\x00" + dumps(SNAPSHOT)[2:])


def test_fields_of_another_kind_are_refused() -> None:
    with pytest.raises(SnapshotError, match="int"):
        loads(dumps(SNAPSHOT._replace(next="soon")))  # type: ignore[arg-type]


async def test_a_parked_stream_is_taken_once() -> None:
    store: Store = MemoryStore(ttl_seconds=60)
    await store.put_many(named("a", "b"))
    assert await store.take("watch", "a") == named("a")[0]
    assert await store.take("watch", "a") is None
    assert await store.take("other", "b") is None
    assert await store.count() == 1


async def test_a_stream_parked_again_replaces_itself_and_lives_on() -> None:
    clock = Clock()
    store = MemoryStore(ttl_seconds=60, clock=clock)
    await store.put_many(named("a", "b"))
    clock.now = 50
    await store.put_many([named("a")[0]._replace(next=200, samples=1_200)])
    clock.now = 70
    taken = await store.take("watch", "a")
    assert taken is not None
    assert taken.next == 200
    assert await store.take("watch", "b") is None
    assert store.expired == 1


async def test_expires_at_its_time_to_live_and_not_before() -> None:
    clock = Clock()
    store = MemoryStore(ttl_seconds=60, clock=clock)
    await store.put_many(named("a"))
    clock.now = 59.9
    assert await store.count() == 1
    clock.now = 60
    assert await store.count() == 0
    assert store.expired == 1


async def test_forgets_those_that_waited_longest_when_full() -> None:
    store = MemoryStore(ttl_seconds=60, capacity=2)
    await store.put_many(named("a", "b"))
    await store.put_many(named("c"))
    assert [await store.take("watch", name) is not None for name in "abc"] == [False, True, True]
    assert store.expired == 1


async def test_forgets_on_demand_and_at_the_end() -> None:
    store = MemoryStore(ttl_seconds=60)
    await store.put_many(named("a", "b"))
    await store.delete("watch", "a")
    await store.delete("watch", "never there")
    assert await store.count() == 1
    await store.close()
    assert await store.count() == 0
    assert store.expired == 0
