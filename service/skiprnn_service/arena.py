"""The states of all live streams of a model: one row a stream, in one array."""

import numpy as np
from numpy.typing import NDArray


class Arena:
    """`capacity` rows of float32 [S]. Rows that were never used take address space, not memory.

    Attributes:
        rows: float32 [capacity, S].
        used: rows that are handed out.
    """

    def __init__(self, capacity: int, *, state_size: int) -> None:
        self.capacity = capacity
        self.rows: NDArray[np.float32] = np.empty((capacity, state_size), np.float32)
        self.used = 0
        self._free: list[int] = []
        self._untouched = 0  # rows from here on were never handed out

    def acquire(self, state: NDArray[np.float32]) -> int | None:
        """A row that holds `state` [S] now; None when all are in use. Rows used before come first."""
        if self._free:
            row = self._free.pop()
        elif self._untouched < self.capacity:
            row = self._untouched
            self._untouched += 1
        else:
            return None
        self.used += 1
        self.rows[row] = state
        return row

    def release(self, row: int) -> None:
        """Take a row back. The caller has it from `acquire` and lets go of it now."""
        self._free.append(row)
        self.used -= 1
