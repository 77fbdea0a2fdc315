"""Parked streams: snapshots as bytes, and the stores in which they wait.

A snapshot's bytes are u16 format (1) and u32 CRC-32 of the rest, little-endian; the rest is the fields of `Snapshot`
as one MessagePack array, in their order.
"""

import struct
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from skiprnn_service.errors import SnapshotError
from skiprnn_service.stream import Snapshot

FORMAT = 1

_HEAD = struct.Struct("<HI")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


def dumps(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes."""
    body = _encode(snapshot)
    return _HEAD.pack(FORMAT, zlib.crc32(body)) + body


def loads(data: bytes) -> Snapshot:
    """The snapshot of `dumps`.

    Raises:
        SnapshotError: truncated, altered, or of another format.
    """
    if len(data) < _HEAD.size:
        raise SnapshotError(f"snapshot: expected {_HEAD.size} bytes or more, got {len(data)}")
    number, checksum = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if number != FORMAT:
        raise SnapshotError(f"snapshot: expected format {FORMAT}, got {number}: written by another version")
    if zlib.crc32(body) != checksum:
        raise SnapshotError(f"snapshot: expected checksum {checksum}, got {zlib.crc32(body)}: damaged")
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"snapshot: {error}") from error


class Store(Protocol):
    """Where parked streams wait. A stream is known by its model and its id."""

    expired: (
        int  # streams forgotten because nobody came back or there was no room; since the store was opened
    )

    async def put_many(self, snapshots: Iterable[Snapshot]) -> None:
        """Keep these, each in place of an older one of the same stream; their time to live starts now."""

    async def take(self, model: str, stream_id: str) -> Snapshot | None:
        """Remove and return; None if it is not there (any more)."""

    async def delete(self, model: str, stream_id: str) -> None:
        """Forget it, if it is there."""

    async def count(self) -> int:
        """Streams that wait."""

    async def close(self) -> None:
        """Let go of what it holds open."""


class MemoryStore:
    """A Store in this process: streams survive a dropped socket, not the process.

    Args:
        ttl_seconds: how long a stream waits.
        capacity: streams; when there are more, those that waited longest are forgotten.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        ttl_seconds: float,
        capacity: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.expired = 0
        self._ttl_seconds, self._capacity, self._clock = ttl_seconds, capacity, clock
        # In order of parking, so of expiry too: the first is always the next to go.
        self._parked: dict[tuple[str, str], tuple[float, Snapshot]] = {}

    async def put_many(self, snapshots: Iterable[Snapshot]) -> None:
        expires_at = self._clock() + self._ttl_seconds
        for snapshot in snapshots:
            key = (snapshot.model, snapshot.stream_id)
            self._parked.pop(key, None)
            self._parked[key] = (expires_at, snapshot)
        self._expire()

    async def take(self, model: str, stream_id: str) -> Snapshot | None:
        self._expire()
        _, snapshot = self._parked.pop((model, stream_id), (0.0, None))
        return snapshot

    async def delete(self, model: str, stream_id: str) -> None:
        self._parked.pop((model, stream_id), None)

    async def count(self) -> int:
        self._expire()
        return len(self._parked)

    async def close(self) -> None:
        self._parked.clear()

    def _expire(self) -> None:
        now = self._clock()
        while self._parked:
            oldest = next(iter(self._parked))
            if self._parked[oldest][0] > now and len(self._parked) <= self._capacity:
                break
            del self._parked[oldest]
            self.expired += 1
