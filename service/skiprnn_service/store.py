"""Parked streams (skeleton: the public signatures)."""

from collections.abc import Callable, Iterable
from typing import Protocol

from skiprnn_service.stream import Snapshot


def dumps(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes: format number, fields, checksum."""
    raise NotImplementedError


def loads(data: bytes) -> Snapshot:
    """Raises SnapshotError: truncated, altered, or of a newer format."""
    raise NotImplementedError


class Store(Protocol):
    """Where parked streams wait. A stream is known by its model and its id."""

    expired: int  # count, since the start

    async def put_many(self, snapshots: Iterable[Snapshot]) -> None:
        """Keep these, each in place of an older one of the same stream; their time to live starts now."""

    async def take(self, model: str, stream_id: str) -> Snapshot | None:
        """Remove and return; None if unknown or expired."""

    async def delete(self, model: str, stream_id: str) -> None:
        """Forget it, if it is there."""

    async def count(self) -> int:
        """Parked streams that have not expired."""

    async def close(self) -> None:
        """Let go of what it holds open."""


class MemoryStore:
    """A Store in this process: survives a dropped socket, not the process."""

    def __init__(
        self, *, ttl_seconds: float, capacity: int = 100_000, clock: Callable[[], float] | None = None
    ) -> None:
        raise NotImplementedError
