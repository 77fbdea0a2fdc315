"""Stores: where the snapshots of streams wait, and who may write them.

A stream is known by its model and its id. Whoever claims it owns it, under an epoch larger than any before; what an
older owner writes afterwards is refused ("fenced"), so two sockets, workers or replicas never mix their writes.

    claim ──→ save, save, … (parked=False) ──→ save (parked=True) ──→ claim …
                                           ──→ delete

A claim takes nothing away: should its owner die before it saves, the next claim finds the same snapshot. Epochs are
numbers of the store, not of the stream, so they never repeat. A stream that ended leaves the next epoch behind for
FENCE_SECONDS, so that a late write of any owner, the last included, does not bring it back; an owner that was cut off
for longer is not recognised any more.

Records are forgotten `ttl_seconds` after the last claim or save, live ones too: an owner saves a stream that is alive
but silent now and then, at least twice in that time.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from skiprnn_service.stream import Snapshot

FENCE_SECONDS = 300.0

Key = tuple[str, str]  # model, stream id


class Claim(NamedTuple):
    """A stream is the caller's, under this epoch; `snapshot` is None if nothing is known of it (any more)."""

    epoch: int
    snapshot: Snapshot | None


class Record(NamedTuple):
    """What an owner writes of a stream: the epoch of its claim, and whether anybody is still connected to it."""

    epoch: int
    parked: bool
    snapshot: Snapshot

    @property
    def key(self) -> Key:
        return self.snapshot.model, self.snapshot.stream_id


class Store(Protocol):
    """Where snapshots wait. All methods belong to one event loop, and none blocks it.

    Attributes:
        durable: what it keeps survives this process.
        shared: several processes may own streams of it.
        expired: snapshots forgotten by this process because nobody came back or there was no room.
        damaged: snapshots refused by this process because they were altered or are of another format.
    """

    durable: bool
    shared: bool
    expired: int
    damaged: int

    async def claim(self, model: str, stream_id: str) -> Claim:
        """Become the owner of a stream, known or not. Whoever owned it before can write no more.

        Raises:
            SnapshotError: its snapshot is damaged, or of another format. It is counted and forgotten: the next claim
                finds nothing.
            StoreError: the store is down or slow; the stream may or may not be claimed.
        """

    async def save(self, records: Sequence[Record]) -> set[Key]:
        """Write them all, at most one a stream; their time to live starts now.

        Returns:
            the keys whose epoch is not the newest: they were not written, their owner is one no longer. All others
            are now as durable as the store promises.

        Raises:
            StoreError: the store is down, slow or full; nothing is promised of any of them.
        """

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        """Forget a stream that ended, unless somebody else owns it by now. Raises StoreError."""

    async def count(self) -> int:
        """Parked streams. Raises StoreError."""

    async def parked(self, limit: int) -> list[Snapshot]:
        """Those parked last, `limit` at most, newest first; damaged ones are left out. Raises StoreError."""

    async def check(self) -> None:
        """Return if the store can be written; else raise StoreError."""

    async def close(self) -> None:
        """Let go of what it holds open."""


def open_store(url: str, *, ttl_seconds: float, capacity: int = 100_000) -> Store:
    """The store of a URL. It connects when it is first used; `check` tells whether it can.

    Args:
        url: "memory", "sqlite:///PATH" (sqlite:////PATH is absolute), "redis://[:PASSWORD@]HOST[:PORT][/DB]" or
            "rediss://…" (TLS).
        ttl_seconds: how long a stream waits.
        capacity: snapshots; when there are more, the oldest are forgotten. Redis has a limit of its own (maxmemory).

    Raises:
        ValueError: another URL, or one of Redis where its client is not installed.
    """
    scheme = urlsplit(url).scheme
    if url == "memory":
        return MemoryStore(ttl_seconds=ttl_seconds, capacity=capacity)
    if scheme == "sqlite" and url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        from skiprnn_service.sqlite_store import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"), ttl_seconds=ttl_seconds, capacity=capacity)
    if scheme in ("redis", "rediss"):
        try:
            from skiprnn_service.redis_store import RedisStore
        except ImportError as error:
            raise ValueError("store: redis needs its client: pip install 'skiprnn[redis]'") from error
        return RedisStore(url, ttl_seconds=ttl_seconds)
    shown = f"{scheme}://…" if scheme else url  # not all of it: it may hold a password
    raise ValueError(f"store: expected memory, sqlite:///path, redis://… or rediss://…, got {shown!r}")


class _Row(NamedTuple):
    """What MemoryStore knows of a stream; without a snapshot it only fences."""

    expires_at: float
    epoch: int
    parked: bool = False
    snapshot: Snapshot | None = None


class MemoryStore:
    """A Store in this process: streams survive a dropped socket, not the process.

    Args:
        ttl_seconds: how long a stream waits.
        capacity: snapshots; when there are more, the oldest are forgotten.
        clock: seconds, monotonic.
    """

    durable = False
    shared = False

    def __init__(
        self,
        *,
        ttl_seconds: float,
        capacity: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.expired = self.damaged = 0
        self._ttl_seconds, self._capacity, self._clock = ttl_seconds, capacity, clock
        self._epochs = itertools.count(1)
        self._parked = 0
        # Both in the order of writing. A stream is in one of them at most.
        self._kept: dict[Key, _Row] = {}
        self._fences: dict[Key, _Row] = {}

    async def claim(self, model: str, stream_id: str) -> Claim:
        self._expire()
        key = (model, stream_id)
        row = self._row(key)
        epoch, snapshot = next(self._epochs), row.snapshot if row else None
        self._put(key, _Row(self._clock() + self._ttl_seconds, epoch, False, snapshot))
        return Claim(epoch, snapshot)

    async def save(self, records: Sequence[Record]) -> set[Key]:
        self._expire()
        expires_at, fenced = self._clock() + self._ttl_seconds, set[Key]()
        for record in records:
            epoch, parked, snapshot = record
            row = self._row(record.key)
            if row and row.epoch > epoch:
                fenced.add(record.key)
            else:
                self._put(record.key, _Row(expires_at, epoch, parked, snapshot))
        self._expire()
        return fenced

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        row = self._row((model, stream_id))
        if row is None or row.epoch <= epoch:
            self._put((model, stream_id), _Row(self._clock() + FENCE_SECONDS, epoch + 1))

    async def count(self) -> int:
        self._expire()
        return self._parked

    async def parked(self, limit: int) -> list[Snapshot]:
        self._expire()
        rows = (row.snapshot for row in reversed(self._kept.values()) if row.parked and row.snapshot)
        return list(itertools.islice(rows, limit))

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        self._kept.clear()
        self._fences.clear()
        self._parked = 0

    def _row(self, key: Key) -> _Row | None:
        row = self._kept.get(key) or self._fences.get(key)
        return row if row and row.expires_at > self._clock() else None

    def _put(self, key: Key, row: _Row) -> None:
        self._forget(key)
        rows = self._fences if row.snapshot is None else self._kept
        rows[key] = row
        self._parked += row.parked

    def _forget(self, key: Key) -> None:
        row = self._kept.pop(key, None) or self._fences.pop(key, None)
        self._parked -= bool(row and row.parked)

    def _expire(self) -> None:
        """The first of a dict was written first, so it goes first. A short-lived fence may wait behind a long one."""
        for rows in (self._kept, self._fences):
            while rows:
                oldest = next(iter(rows))
                if rows[oldest].expires_at > self._clock() and len(rows) <= self._capacity:
                    break
                self._forget(oldest)
                self.expired += rows is self._kept
