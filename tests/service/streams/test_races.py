"""Clients that open, send and leave at once, over a store that is slow and sometimes down: no state is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from skiprnn_service.engine.stream import Reply
from skiprnn_service.errors import OverloadError, QuotaError, SkipRnnServiceError, StoreError
from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.base import Claim, Key, Record
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import StreamSession
from support.bundles import write_random_bundle

Stream = tuple[str, str]  # principal, id


class Moody(MemoryStore):
    """Calls take a few turns of the loop and fail with `failure` probability; they are carried out in order."""

    durable = True
    failure = 0.0

    def __init__(self, rng: random.Random) -> None:
        super().__init__(ttl_seconds=1e6)
        self._rng, self._order = rng, asyncio.Lock()

    async def _turns(self) -> None:
        for _ in range(self._rng.randrange(4)):
            await asyncio.sleep(0)

    async def _fail(self) -> None:
        await self._turns()
        if self._rng.random() < self.failure:
            raise StoreError("down on purpose")

    async def claim(self, *key: str) -> Claim:
        async with self._order:
            await self._fail()
            claim = await super().claim(*key)
        await self._turns()
        return claim

    async def save(self, records: Sequence[Record]) -> set[Key]:
        async with self._order:
            await self._fail()
            fenced = await super().save(records)
        await self._turns()
        return fenced

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        async with self._order:
            await self._fail()
            await super().delete(model, stream_id, epoch)


class Client:
    """A listener that notes how far each stream was answered."""

    def __init__(self, answered: dict[Stream, int]) -> None:
        self.heard: asyncio.Queue[bool] = asyncio.Queue()
        self.answered, self.stream = answered, ("", "")

    def on_reply(self, reply: Reply) -> None:
        self.answered[self.stream] = reply.t + 1
        self.heard.put_nowait(True)

    def on_error(self, error: SkipRnnServiceError) -> None:
        raise error

    def on_saved(self) -> None: ...
    def on_go_away(self, seconds: float) -> None: ...

    def on_lost(self, code: int, reason: str) -> None:  # noqa: ARG002
        self.heard.put_nowait(False)


class World:
    """Twelve streams of three principals; there is room for half of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng, self.answered = random.Random(seed), dict[Stream, int]()
        self.models = ModelRepository(folder)
        self.models.load()
        self.engine = self.models.get("m").engine
        self.engine.capacity = 6
        self.store = Moody(self.rng)
        self.streams = StreamManager(
            self.models,
            self.store,
            ServiceStats(),
            snapshot_interval_seconds=0.003,
            ttl_seconds=1e6,
            idle_timeout_seconds=1000,
            quotas=Quotas(max_streams=3, max_opens_per_minute=10**9),
        )

    async def open(self, principal: str, stream_id: str | None) -> tuple[Client, StreamSession]:
        client = Client(self.answered)
        session = await self.streams.open("m", client, stream_id=stream_id, principal=principal)
        client.stream = principal, session.id
        assert session.slot.next == self.answered.get(client.stream, 0)
        assert self.engine.live <= self.engine.capacity
        return client, session

    async def live_a_life(self) -> None:
        """Open a stream, send a few samples, leave: again and again."""
        for _ in range(40):
            stream_id = None if self.rng.random() < 0.1 else self.rng.choice("abcd")
            try:
                client, session = await self.open(self.rng.choice(["", "alice", "bob"]), stream_id)
            except (StoreError, QuotaError, OverloadError):
                await asyncio.sleep(0)
                continue
            for _ in range(self.rng.randrange(4)):
                if session.live:
                    session.engine.submit(session.slot, None, 1, np.zeros(3, "<f4").tobytes())
                    await client.heard.get()
            if self.rng.random() < 0.75:
                await self.streams.park(session)

    async def change_the_weather(self) -> None:
        for _ in range(60):
            self.store.failure = self.rng.choice([0, 0, 0.3, 1])
            await asyncio.sleep(0.002)
        self.store.failure = 0


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_at_once_no_stream_goes_back_and_all_counts_are_right(
    tmp_path: Path, seed: int
) -> None:
    write_random_bundle(tmp_path / "m.onnx", features=3)
    world = World(tmp_path, seed)
    problems = list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context)))
    async with world.streams.running():
        await asyncio.gather(world.change_the_weather(), *(world.live_a_life() for _ in range(12)))
        live = Counter(session.principal for session in world.streams if session.principal)
        assert (world.engine.live, world.engine.opening) == (len(world.streams), 0)
        assert world.streams._quotas._live == live
    assert world.engine.live == 0
    assert not world.streams._quotas._live
    assert not world.streams._unsaved
    world.streams.draining = False
    for principal, stream_id in list(world.answered):
        _, session = await world.open(principal, stream_id)
        await world.streams.park(session)
    assert not problems
    world.models.close()
