"""A Store in this process: streams survive a dropped socket, not the process."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.stores.base import FENCE_SECONDS, Claim, Key, Record
from skiprnn_service.stores.principals import ByPrincipal, principal_of


class _Row(NamedTuple):
    """A stream; without a snapshot it only fences."""

    expires_at: float
    epoch: int
    parked: bool = False
    snapshot: Snapshot | None = None


class MemoryStore:
    """A Store in this process: streams survive a dropped socket, not the process.

    Args:
        ttl_seconds: after the latest claim or save, a stream expires.
        capacity: snapshots; when there are more, the oldest of the principal with most are deleted.
        per_principal: likewise those of one principal.
        clock: seconds, monotonic.
    """

    durable = False
    shared = False
    generation = 0

    def __init__(
        self,
        *,
        ttl_seconds: float,
        capacity: int = 100_000,
        per_principal: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.expired = self.damaged = 0
        self._ttl_seconds, self._capacity, self._clock = ttl_seconds, capacity, clock
        self._per_principal, self._by_principal = per_principal, ByPrincipal()
        self._epochs = itertools.count(1)
        self._parked = 0
        # Both in the order of writing. A stream is in one of them at most.
        self._snapshots: dict[Key, _Row] = {}
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
                self._make_room(principal_of(record.key))
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
        rows = (row.snapshot for row in reversed(self._snapshots.values()) if row.parked and row.snapshot)
        return list(itertools.islice(rows, limit))

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        self._snapshots.clear()
        self._fences.clear()
        self._by_principal.clear()
        self._parked = 0

    def _row(self, key: Key) -> _Row | None:
        row = self._snapshots.get(key) or self._fences.get(key)
        return row if row and row.expires_at > self._clock() else None

    def _put(self, key: Key, row: _Row) -> None:
        before = self._snapshots.pop(key, None) or self._fences.pop(key, None)
        self._parked += row.parked - bool(before and before.parked)
        if row.snapshot is None:
            self._fences[key] = row
            self._by_principal.discard(key)
        else:
            self._snapshots[key] = row
            self._by_principal.add(key)

    def _forget(self, key: Key) -> None:
        row = self._snapshots.pop(key, None) or self._fences.pop(key, None)
        self._parked -= bool(row and row.parked)
        self._by_principal.discard(key)

    def _make_room(self, principal: str) -> None:
        """For one snapshot more of this principal, at most."""
        if principal and self._by_principal.count(principal) > self._per_principal:
            self._forget(self._by_principal.oldest(principal))
            self.expired += 1
        while len(self._snapshots) > self._capacity:
            self._forget(self._by_principal.oldest())
            self.expired += 1

    def _expire(self) -> None:
        """The first of a dict was written first, so it goes first. A short-lived fence may wait behind a long one."""
        for rows in (self._snapshots, self._fences):
            while rows:
                oldest = next(iter(rows))
                full = rows is self._fences and len(rows) > self._capacity
                if rows[oldest].expires_at > self._clock() and not full:
                    break
                self._forget(oldest)
                self.expired += rows is self._snapshots
