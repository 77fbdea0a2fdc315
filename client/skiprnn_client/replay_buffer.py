"""Samples that the network has updated on and the server has not saved: what is sent again if the server loses them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skiprnn_client.messages import Floats

Position = tuple[int, int]  # in a stream: sequence, index


@dataclass(frozen=True, slots=True)
class Message:
    """n samples of a sequence, the first of index t, as n·F little-endian float32.

    Attributes:
        replayed: all its updates have been received before.
    """

    sequence: int
    t: int
    n: int
    data: bytes
    replayed: bool = False

    @property
    def end(self) -> int:
        """Index after the last sample."""
        return self.t + self.n

    @property
    def samples(self) -> Floats:
        """[n, F]."""
        return np.frombuffer(self.data, "<f4").reshape(self.n, -1)

    def sample(self, t: int) -> bytes:
        """One of them."""
        size = len(self.data) // self.n
        return self.data[(t - self.t) * size :][:size]


class _Sample(NamedTuple):
    position: Position
    data: bytes


class ReplayBuffer:
    """Samples in the order of their updates.

    Attributes:
        floor: every updated sample at this position or later is in the buffer, or not answered yet.
    """

    def __init__(self, *, max_samples: int, max_bytes: int) -> None:
        self._max_samples, self._max_bytes = max_samples, max_bytes
        self._samples: deque[_Sample] = deque()
        self._bytes = 0
        self.floor: Position = (0, 0)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def full(self) -> bool:
        return len(self._samples) >= self._max_samples or self._bytes >= self._max_bytes

    def add(self, position: Position, data: bytes) -> None:
        self._samples.append(_Sample(position, data))
        self._bytes += len(data)

    def discard_before(self, floor: Position) -> None:
        """Samples before this position are not needed any more."""
        self.floor = max(self.floor, floor)
        while self._samples and self._samples[0].position < self.floor:
            self._bytes -= len(self._samples.popleft().data)

    def drop_oldest(self) -> None:
        """Discard the oldest samples until the buffer is not full, needed or not."""
        while self.full:
            sequence, t = self._samples[0].position
            self.discard_before((sequence, t + 1))

    def since(self, position: Position, *, most: int) -> Iterator[Message]:
        """Samples from a position on; up to `most` consecutive ones in a message."""
        run: list[_Sample] = []
        for sample in self._samples:
            if sample.position < position:
                continue
            if run and (len(run) == most or not _next_to(run[-1].position, sample.position)):
                yield _message(run)
                run = []
            run.append(sample)
        if run:
            yield _message(run)


def _next_to(one: Position, other: Position) -> bool:
    return (one[0], one[1] + 1) == other


def _message(run: list[_Sample]) -> Message:
    sequence, t = run[0].position
    return Message(sequence, t, len(run), b"".join(sample.data for sample in run), replayed=True)
