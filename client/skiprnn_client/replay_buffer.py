"""Samples that the network has updated on, or that were missed, and that the server has not saved.

They are sent again if the server loses them. Missed ones too: they moved the updates behind them.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skiprnn_client.messages import Floats

Position = tuple[int, int]  # in a stream: sequence, index


@dataclass(frozen=True, slots=True)
class Message:
    """n samples of a sequence, the first of index t.

    Attributes:
        data: n·F little-endian float32; None: the samples were missed.
        replayed: all its updates have been received before.
    """

    sequence: int
    t: int
    n: int
    data: bytes | None
    replayed: bool = False

    @property
    def end(self) -> int:
        """Index after the last sample."""
        return self.t + self.n

    @property
    def samples(self) -> Floats:
        """[n, F], of samples that were not missed."""
        assert self.data is not None
        return np.frombuffer(self.data, "<f4").reshape(self.n, -1)

    def sample(self, t: int) -> bytes:
        """One of them."""
        assert self.data is not None
        size = len(self.data) // self.n
        return self.data[(t - self.t) * size :][:size]


class _Sample(NamedTuple):
    """One sample, or `n` that were missed (`data` is None)."""

    position: Position
    data: bytes | None
    n: int = 1

    @property
    def end(self) -> Position:
        return self.position[0], self.position[1] + self.n

    @property
    def size(self) -> int:
        return len(self.data or b"")


class ReplayBuffer:
    """Samples in their order. Those that were missed in a row are one entry, however many they are.

    Attributes:
        floor: every updated or missed sample at this position or later is in the buffer, or not answered yet.
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

    def add_missed(self, position: Position, n: int) -> None:
        """`n` samples that were missed, from a position on."""
        last = self._samples[-1] if self._samples else None
        if last is not None and last.data is None and last.end == position:
            self._samples[-1] = last._replace(n=last.n + n)
        else:
            self._samples.append(_Sample(position, None, n))

    def discard_before(self, floor: Position) -> None:
        """Samples before this position are not needed any more."""
        self.floor = max(self.floor, floor)
        while self._samples and self._samples[0].end <= self.floor:
            self._bytes -= self._samples.popleft().size

    def drop_oldest(self) -> None:
        """Discard the oldest samples until the buffer is not full, needed or not."""
        while self.full:
            self.discard_before(self._samples[0].end)

    def since(self, position: Position, *, most: int) -> Iterator[Message]:
        """Samples from a position on; up to `most` consecutive ones in a message.

        Missed ones are a message of their own. Where the position is in the middle of them all of them are in it: to
        tell a server of them twice changes nothing.
        """
        run: list[_Sample] = []
        for sample in self._samples:
            if sample.end <= position:
                continue
            if run and (len(run) == most or not _joins(run[-1], sample)):
                yield _message(run)
                run = []
            run.append(sample)
        if run:
            yield _message(run)


def _joins(one: _Sample, other: _Sample) -> bool:
    return one.end == other.position and None not in (one.data, other.data)


def _message(run: list[_Sample]) -> Message:
    sequence, t = run[0].position
    n = run[-1].end[1] - t
    data = None if run[0].data is None else b"".join(sample.data or b"" for sample in run)
    return Message(sequence, t, n, data, replayed=True)
