"""How many bytes of bodies and answers wait at a time, over all requests."""

from collections.abc import Iterator
from contextlib import contextmanager

from skiprnn_service.errors import OverloadError


class Spool:
    """A limit that requests share.

    Args:
        max_bytes: of all shares together.
        setting: the name of the limit.
    """

    def __init__(self, max_bytes: int, *, setting: str) -> None:
        self.max_bytes, self._free, self._setting = max_bytes, max_bytes, setting

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """A share for the length of the block."""
        share = Share(self)
        try:
            yield share
        finally:
            share.shrink(0)

    def take(self, size: int) -> None:
        """Raises OverloadError where less is free."""
        if size > self._free:
            expected = f"{self.max_bytes} bytes at most in all requests ({self._setting})"
            raise OverloadError(f"scoring: expected {expected}, {self._free} are free")
        self._free -= size

    def take_up_to(self, size: int) -> int:
        """Takes what is free of it; returns how much."""
        taken = min(size, self._free)
        self._free -= taken
        return taken

    def give(self, size: int) -> None:
        self._free += size


class Share:
    """What one request has of a spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool, self._size = spool, 0

    def grow(self, size: int) -> None:
        """Take so many bytes more. Raises OverloadError where less is free."""
        self._spool.take(size)
        self._size += size

    def grow_up_to(self, size: int) -> int:
        """Take so many bytes more, or what is free; returns how many."""
        taken = self._spool.take_up_to(size)
        self._size += taken
        return taken

    def shrink(self, size: int) -> None:
        """Give back what is more than this."""
        if size < self._size:
            self._spool.give(self._size - size)
            self._size = size
