"""Stores: snapshots of streams, and who may write them.

A stream is known by its model and its id. A claim makes its caller the owner, under an epoch larger than any before; a
later write of an older owner is fenced: it is not carried out. So two sockets, workers or replicas never mix their
writes. A write under epoch 0 is fenced if the stream was ever claimed. Writes under one epoch take effect in the order
of the calls; one that timed out and arrives late does not undo a newer one.

    claim ──→ save, save, … (parked=False) ──→ save (parked=True) ──→ claim …
                                           ──→ delete

A claim takes nothing away: should its owner die before it saves, the next claim finds the same snapshot. Epochs are
numbers of the store, not of the stream: they never repeat. A stream that ended leaves the next epoch behind for
FENCE_SECONDS, so that a late write of any owner, the last included, does not bring it back; an owner that was cut off
for longer is not recognised any more.

Records are forgotten `ttl_seconds` after the last claim or save, live ones too: an owner saves a stream that is alive
but silent now and then, at least twice in that time.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from skiprnn_service.engine.stream import Snapshot

FENCE_SECONDS = 300.0

Key = tuple[str, str]  # model, stream id


class Claim(NamedTuple):
    """A stream is the caller's, under this epoch; `snapshot` is None if nothing is known of it (any more)."""

    epoch: int
    snapshot: Snapshot | None


class Record(NamedTuple):
    """What an owner writes of a stream: the epoch of its claim, and whether it has no connection any more."""

    epoch: int
    parked: bool
    snapshot: Snapshot

    @property
    def key(self) -> Key:
        return self.snapshot.model, self.snapshot.stream_id


class Store(Protocol):
    """Holds snapshots. All methods belong to one event loop, and none blocks it.

    Attributes:
        durable: its snapshots survive this process.
        shared: several processes may own streams in it.
        expired: snapshots that this process deleted after their time or for lack of room.
        damaged: snapshots that this process rejected: altered, or of another format.
        generation: another value after the store lost what it had, where it can tell.
    """

    durable: bool
    shared: bool
    expired: int
    damaged: int

    @property
    def generation(self) -> object: ...

    async def claim(self, model: str, stream_id: str) -> Claim:
        """Become the owner of a stream, known or not. Writes of earlier owners are fenced from now on.

        Raises:
            SnapshotError: its snapshot is damaged, or of another format. It is counted and deleted: the next claim
                finds nothing.
            StoreError: the store is down or slow; the stream may or may not be claimed.
        """

    async def save(self, records: Sequence[Record]) -> set[Key]:
        """Write them all, at most one a stream; their time to live starts now.

        Returns:
            the keys that were fenced. All others are now as durable as the store promises.

        Raises:
            StoreError: the store is down, slow or full; nothing is promised of any of them.
        """

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        """Delete a stream that ended, unless it has a newer owner. Raises StoreError."""

    async def count(self) -> int:
        """Parked streams. Raises StoreError."""

    async def parked(self, limit: int) -> list[Snapshot]:
        """Those parked last, `limit` at most, newest first; damaged ones are left out. Raises StoreError."""

    async def check(self) -> None:
        """Return if the store can be written; else raise StoreError."""

    async def close(self) -> None:
        """Close connections and files."""
