"""The states of all live streams of a model: rows of one memory, where update steps run.

A row that holds the state of an answered message is not written again: the first update of the next message writes to
a new row, the later ones to the same. So a message that fails leaves nothing to undo, a snapshot may be taken at any
time, and a stream changes its row when a message is done. Rows used last are handed out first, while they are cached.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.engine.onnx_runtime import Memory

INITIAL = 0  # the row of the state that every sequence begins with
SCRATCH = 1  # the row for results that are not used
FIRST = 2  # the first that is handed out


class Arena:
    """Rows of states [S].

    Args:
        memory: of `size` rows.
        initial_state: float32 [S].
    """

    def __init__(self, memory: Memory, size: int, *, initial_state: NDArray[np.float32]) -> None:
        self.memory, self.size = memory, size
        self._free: list[int] = []
        self._untouched = FIRST  # rows from here on were never handed out
        self.write(INITIAL, initial_state)

    @property
    def used(self) -> int:
        """Rows that are handed out."""
        return self._untouched - FIRST - len(self._free)

    def acquire(self) -> int:
        """A row to write to. IndexError when all are in use: the arena was made too small."""
        if self._free:
            return self._free.pop()
        if self._untouched == self.size:
            raise IndexError(f"all {self.size} rows of the arena are in use")
        self._untouched += 1
        return self._untouched - 1

    def release(self, row: int) -> None:
        """Take a row back; INITIAL stays where it is."""
        if row != INITIAL:
            self._free.append(row)

    def read(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Copies [M, S] of the states in M rows that no step is writing to."""
        return self.memory.read(np.array(rows, np.int64))

    def write(self, row: int, state: NDArray[np.float32]) -> None:
        """Put a state into a row that no step uses."""
        self.memory.write(np.array([row]), state[np.newaxis])
