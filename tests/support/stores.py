"""Stores for tests: one snapshot, and a store of each kind whose time can be moved and whose records can be damaged."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from redis.asyncio import Redis

from skiprnn_service.engine.stream import Position, Snapshot, Update
from skiprnn_service.stores.base import Store
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.stores.redis import RedisStore
from skiprnn_service.stores.sqlite import SqliteStore
from support.redis_server import RedisServer

TTL_SECONDS = 60.0

SNAPSHOT = Snapshot(
    model="watch",
    version="3",
    bundle_sha256="ab" * 32,
    stream_id="sensor-7",
    threshold=0.5,
    position=Position(
        next=100,
        skip_remaining=4,
        samples=1_100,
        updates=90,
        sequence=3,
        recent=(Update(80, b"old!"), Update(99, b"new!")),
        recent_from=60,
    ),
    state=b"\x00\x01" * 64,
    principal="alice",
)


def at(snapshot: Snapshot, **position: Any) -> Snapshot:
    """The same stream at another position."""
    return snapshot._replace(position=snapshot.position._replace(**position))


class Clock:
    """Seconds that pass when told to."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class StoreCase(Protocol):
    """A kind of store, empty at first, and what a test may do to it.

    Attributes:
        name: "memory", "sqlite" or "redis".
        store: of TTL_SECONDS.
    """

    name: str
    store: Store

    def another(self) -> Store:
        """The same data as another process sees them."""

    async def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass for the store."""

    async def damage(self, data: bytes) -> None:
        """Put these bytes in place of those of SNAPSHOT's record."""

    async def close(self) -> None:
        """Close what was opened."""


class MemoryCase:
    name = "memory"

    def __init__(self, **options: Any) -> None:
        self._clock = Clock()
        self.store: Store = MemoryStore(ttl_seconds=TTL_SECONDS, clock=self._clock, **options)

    def another(self) -> Store:
        return self.store

    async def pass_time(self, seconds: float) -> None:
        self._clock.now += seconds

    async def damage(self, data: bytes) -> None:
        raise NotImplementedError("there are no bytes")

    async def close(self) -> None:
        await self.store.close()


class SqliteCase:
    name = "sqlite"

    def __init__(self, folder: Path, **options: Any) -> None:
        self.path, self._clock, self._options = folder / "streams.db", Clock(), options
        self._opened: list[Store] = []
        self.store = self.another()

    def another(self) -> Store:
        store = SqliteStore(self.path, ttl_seconds=TTL_SECONDS, clock=self._clock, **self._options)
        self._opened.append(store)
        return store

    async def pass_time(self, seconds: float) -> None:
        self._clock.now += seconds

    async def damage(self, data: bytes) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("UPDATE streams SET snapshot = ?", (data,))

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


class RedisCase:
    name = "redis"

    def __init__(self, server: RedisServer) -> None:
        self._server, self._opened = server, list[Store]()
        self.store = self.another()

    def another(self) -> Store:
        store = RedisStore(self._server.url, ttl_seconds=TTL_SECONDS)
        self._opened.append(store)
        return store

    async def pass_time(self, seconds: float) -> None:
        """Redis's clock cannot be moved; the times at which its keys expire can."""
        async with Redis.from_url(self._server.url) as redis:
            for key in await redis.keys("skiprnn:stream:*"):
                await redis.pexpire(key, await redis.pttl(key) - round(seconds * 1000))
            parked: Any = await redis.zrange("skiprnn:parked", 0, -1, withscores=True)
            for key, expires_at in parked:
                await redis.zadd("skiprnn:parked", {key: expires_at - round(seconds * 1000)})

    async def damage(self, data: bytes) -> None:
        async with Redis.from_url(self._server.url) as redis:
            key = f"skiprnn:stream:{SNAPSHOT.model}:{SNAPSHOT.stream_id}"
            await redis.hset(key, mapping={"snapshot": data})

    async def close(self) -> None:
        for store in self._opened:
            await store.close()
        async with Redis.from_url(self._server.url) as redis:
            await redis.flushall()
