"""Samples that the network has read and the server may forget: kept until it has saved them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skiprnn_client.messages import Floats

Place = tuple[int, int]  # sequence, index: where in a stream


@dataclass(frozen=True, slots=True)
class Message:
    """n samples of a sequence, the first of index t, as n·F little-endian float32.

    Attributes:
        replayed: its updates have all been heard.
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
    place: Place
    data: bytes


class Kept:
    """In the order of reading.

    Attributes:
        floor: every sample read at this place or later is kept, or not answered yet.
    """

    def __init__(self, *, max_samples: int, max_bytes: int) -> None:
        self._max_samples, self._max_bytes = max_samples, max_bytes
        self._samples: deque[_Sample] = deque()
        self._bytes = 0
        self.floor: Place = (0, 0)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def full(self) -> bool:
        return len(self._samples) >= self._max_samples or self._bytes >= self._max_bytes

    def add(self, place: Place, data: bytes) -> None:
        self._samples.append(_Sample(place, data))
        self._bytes += len(data)

    def let_go(self, floor: Place) -> None:
        """What lies before is not needed any more."""
        self.floor = max(self.floor, floor)
        while self._samples and self._samples[0].place < self.floor:
            self._bytes -= len(self._samples.popleft().data)

    def drop(self) -> None:
        """Let go of the oldest until there is room, needed or not."""
        while self.full:
            sequence, t = self._samples[0].place
            self.let_go((sequence, t + 1))

    def since(self, place: Place, *, most: int) -> Iterator[Message]:
        """What was read from a place on, neighbours in one message of `most` samples."""
        run: list[_Sample] = []
        for sample in self._samples:
            if sample.place < place:
                continue
            if run and (len(run) == most or not _next_to(run[-1].place, sample.place)):
                yield _message(run)
                run = []
            run.append(sample)
        if run:
            yield _message(run)


def _next_to(one: Place, other: Place) -> bool:
    return (one[0], one[1] + 1) == other


def _message(run: list[_Sample]) -> Message:
    sequence, t = run[0].place
    return Message(sequence, t, len(run), b"".join(sample.data for sample in run), replayed=True)
