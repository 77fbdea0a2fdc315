"""Whose snapshots go when there are too many: the oldest of the principal that has most of them.

A principal's streams are known by their id in the store, `PRINCIPAL/ID` (streams/manager.py). Without authentication
all streams are those of "", which has no bound of its own.
"""

import heapq
from collections import defaultdict
from collections.abc import Sequence

from skiprnn_service.stores.base import Key


def principal_of(key: Key) -> str:
    """As it stands in the id."""
    return key[1].rpartition("/")[0]


class ByPrincipal:
    """Keys of each principal, in the order in which they were written; all in constant time.

    Attributes:
        most: keys of the principal with most.
    """

    def __init__(self) -> None:
        self._keys = defaultdict[str, dict[Key, None]](dict)
        self._of_size = defaultdict[int, dict[str, None]](dict)  # principals with so many keys
        self.most = 0

    def add(self, key: Key) -> None:
        """It was written last."""
        principal = principal_of(key)
        keys = self._keys[principal]
        if key in keys:
            del keys[key]
            keys[key] = None
        else:
            keys[key] = None
            self._moved(principal, len(keys) - 1, len(keys))

    def discard(self, key: Key) -> None:
        """It is gone, or never was there."""
        principal = principal_of(key)
        keys = self._keys.get(principal, {})
        if key in keys:
            del keys[key]
            self._moved(principal, len(keys) + 1, len(keys))

    def count(self, principal: str) -> int:
        return len(self._keys.get(principal, ()))

    def oldest(self, principal: str | None = None) -> Key:
        """Of a principal who has one; None: of one with most."""
        if principal is None:
            principal = next(iter(self._of_size[self.most]))
        return next(iter(self._keys[principal]))

    def clear(self) -> None:
        self._keys.clear()
        self._of_size.clear()
        self.most = 0

    def _moved(self, principal: str, before: int, now: int) -> None:
        if now:
            self._of_size[now][principal] = None
        else:
            del self._keys[principal]
        if before:
            del self._of_size[before][principal]
            if not self._of_size[before]:
                del self._of_size[before]
                self.most -= before == self.most
        self.most = max(self.most, now)


def to_drop(counts: Sequence[tuple[str, int]], *, excess: int, bound: int) -> dict[str, int]:
    """How many of its oldest snapshots each principal loses.

    Args:
        counts: principals and how many they have.
        excess: to go in all; from those with most.
        bound: that one principal may have.
    """
    drop = {name: n - bound for name, n in counts if name and n > bound}
    left = [(drop.get(name, 0) - n, name) for name, n in counts]
    heapq.heapify(left)
    for _ in range(excess - sum(drop.values())):
        if not left or left[0][0] >= 0:
            break
        n, name = left[0]
        heapq.heapreplace(left, (n + 1, name))
        drop[name] = drop.get(name, 0) + 1
    return drop
