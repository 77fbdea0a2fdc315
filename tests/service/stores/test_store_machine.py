"""Whatever owners do in whatever order, every store does what a dict would."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.stores.base import FENCE_SECONDS, Record
from support.redis_server import RedisServer
from support.stores import SNAPSHOT, TTL_SECONDS, MemoryCase, RedisCase, SqliteCase, StoreCase, at


class Owner(NamedTuple):
    stream_id: str
    epoch: int


class Expected(NamedTuple):
    """What a store should know of a stream."""

    epoch: int
    expires_at: float
    parked: bool = False
    snapshot: Snapshot | None = None


class StoreMachine(RuleBasedStateMachine):
    """Two handles of one store; owners come, write late, end and expire. The model is `rows`, by stream id."""

    owners = Bundle("owners")

    def __init__(self, make: Callable[[], StoreCase]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.case = make()
        self.stores = [self.case.store, self.case.another()]
        self.now = 0.0
        self.last_epoch = 0
        self.rows: dict[str, Expected] = {}

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def known(self, stream_id: str) -> Expected | None:
        row = self.rows.get(stream_id)
        return row if row and row.expires_at > self.now else None

    @rule(target=owners, stream_id=st.sampled_from("abc"), which=st.integers(0, 1))
    def claim(self, stream_id: str, which: int) -> Owner:
        epoch, snapshot = self.run(self.stores[which].claim("watch", stream_id))
        known = self.known(stream_id)
        assert snapshot == (known.snapshot if known else None)
        assert epoch > self.last_epoch
        self.last_epoch = epoch
        self.rows[stream_id] = Expected(epoch, self.now + TTL_SECONDS, snapshot=snapshot)
        return Owner(stream_id, epoch)

    @rule(
        owners=st.lists(owners, max_size=3, unique_by=lambda owner: owner.stream_id),
        parked=st.booleans(),
        samples=st.integers(0, 1000),
        which=st.integers(0, 1),
    )
    def save(self, owners: list[Owner], parked: bool, samples: int, which: int) -> None:
        records, fenced = list[Record](), set[tuple[str, str]]()
        for stream_id, epoch in owners:
            snapshot = at(SNAPSHOT._replace(stream_id=stream_id), next=samples)
            records.append(Record(epoch, parked, snapshot))
            known = self.known(stream_id)
            if known and known.epoch > epoch:
                fenced.add(("watch", stream_id))
            else:
                self.rows[stream_id] = Expected(epoch, self.now + TTL_SECONDS, parked, snapshot)
        assert self.run(self.stores[which].save(records)) == fenced

    @rule(owner=owners, which=st.integers(0, 1))
    def delete(self, owner: Owner, which: int) -> None:
        self.run(self.stores[which].delete("watch", *owner))
        known = self.known(owner.stream_id)
        if not known or known.epoch <= owner.epoch:
            self.rows[owner.stream_id] = Expected(owner.epoch + 1, self.now + FENCE_SECONDS)

    @rule(seconds=st.sampled_from([25.0, TTL_SECONDS + 10, FENCE_SECONDS + 10]))
    def pass_time(self, seconds: float) -> None:
        self.run(self.case.pass_time(seconds))
        self.now += seconds

    @invariant()
    def counts_the_parked(self) -> None:
        expected = sum(bool((known := self.known(stream_id)) and known.parked) for stream_id in self.rows)
        assert [self.run(store.count()) for store in self.stores] == [expected, expected]

    def teardown(self) -> None:
        self.run(self.case.close())
        self.runner.close()


def check(make: Callable[[], StoreCase], *, examples: int) -> None:
    class Machine(StoreMachine):
        def __init__(self) -> None:
            super().__init__(make)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
    )


def test_memory_does_what_a_dict_does() -> None:
    check(MemoryCase, examples=100)


def test_sqlite_does_what_a_dict_does() -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(lambda: SqliteCase(Path(tempfile.mkdtemp(dir=folder))), examples=25)


def test_redis_does_what_a_dict_does(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        check(lambda: RedisCase(server), examples=20)
