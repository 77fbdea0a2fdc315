"""A server of streams in a few lines, without sockets or clocks: what clients are held to.

Its network's state is a number, made from the samples that it read; everything else follows from the state. A sample
that was missed is NaN in a recording.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from skiprnn_client.messages import Ready, decode_ready

FEATURES = 2
REPEATED = 4  # updates that `ready` repeats, at least

Point = tuple[int, int, float]  # sequence, index, output


@dataclass(frozen=True)
class Place:
    """All of a stream between two messages."""

    sequence: int = 0
    next: int = 0
    wake: int = 0
    state: int = 0
    recent: tuple[tuple[int, float], ...] = ()
    recent_from: int = 0

    def read(self, t: int, x: bytes) -> "Place":
        """One update."""
        state = crc32(x, self.state)
        skip = (state >> 4) % 4
        return replace(self, wake=t + 1 + skip, state=state, recent=(*self.recent, (t, float(state % 997))))

    def miss(self, t: int, n: int) -> "Place":
        """A whole message of samples that were missed."""
        assert t <= self.wake, "a gap"
        end = max(self.next, t + n)
        return replace(self, next=end, wake=max(self.wake, end))

    def take(self, t: int, samples: Sequence[bytes]) -> "Place":
        """A whole message."""
        assert t <= self.wake, "a gap"
        after, end = self, t + len(samples)
        while after.wake < end:
            after = after.read(after.wake, samples[after.wake - t])
        reads = len(after.recent) - len(self.recent)
        excess = len(after.recent) - max(REPEATED, reads) if reads else 0
        dropped, recent = after.recent[: max(excess, 0)], after.recent[max(excess, 0) :]
        since = dropped[-1][0] + 1 if dropped else self.recent_from
        return replace(after, next=max(self.next, end), recent=recent, recent_from=since)


@dataclass
class ModelServer:
    """One stream of a server, its store, and what is under way on the connection to it."""

    durable: bool
    now: Place | None = None  # None: unknown
    stored: Place | None = None
    coming: list[bytes | str] = field(default_factory=list)
    going: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def saved(self) -> int:
        known = self.stored is not None and self.now is not None
        return self.stored.next if known and self.stored.sequence == self.now.sequence else 0  # type: ignore[union-attr]

    def connect(self) -> Ready:
        """A new connection; of the old one nothing more comes through."""
        self.coming, self.going = [], []
        resumed = self.now is not None
        self.now = place = self.now or Place()
        return decode_ready(
            json.dumps(
                {
                    "type": "ready",
                    "stream_id": "s",
                    "model": "m",
                    "version": "1",
                    "features": FEATURES,
                    "outputs": 1,
                    "resumed": resumed,
                    "sequence": place.sequence,
                    "next": place.next,
                    "wake": place.wake,
                    "saved": self.saved,
                    "updates": [{"t": t, "y": [y]} for t, y in place.recent],
                    "updates_from": place.recent_from,
                    "limits": {"replay_updates": REPEATED, "durable": self.durable},
                }
            )
        )

    def process(self) -> None:
        """Take the next message that came."""
        if not self.coming or self.ended:
            return
        message = self.coming.pop(0)
        assert self.now is not None
        if isinstance(message, str):
            self._text(json.loads(message))
            return
        samples = [message[start : start + 4 * FEATURES] for start in range(8, len(message), 4 * FEATURES)]
        before, self.now = self.now, self.now.take(struct.unpack_from("<Q", message)[0], samples)
        updates = [{"t": t, "y": [y]} for t, y in self.now.recent if t >= before.wake]
        self._say(t=self.now.next - 1, wake=self.now.wake, updates=updates, saved=self.saved)

    def save(self) -> None:
        """A round of writing to the store."""
        if self.durable and self.now is not None and not self.ended:
            self.stored = self.now
            self._say(type="saved", saved=self.saved, sequence=self.now.sequence)

    def die(self) -> None:
        """And come back with what the store knows."""
        if not self.ended:
            self.now = self.stored

    def _text(self, fields: dict[str, Any]) -> None:
        assert self.now is not None
        if "missed" not in fields:
            self._control(fields["type"])
            return
        self.now = self.now.miss(fields["t"], fields["missed"])
        self._say(t=self.now.next - 1, wake=self.now.wake, updates=[], saved=self.saved)

    def _control(self, kind: str) -> None:
        assert self.now is not None
        if kind == "end":
            self.ended, self.now, self.stored = True, None, None
            self._say(type="ended", samples=0, updates=0)
        elif kind == "reset":
            self.now = Place(sequence=self.now.sequence + 1)

    def _say(self, **fields: Any) -> None:
        self.going.append(json.dumps(fields))


def uninterrupted(sequences: Sequence[NDArray[np.float32]]) -> list[Point]:
    """What a client must have been told in the end."""
    return [(number, t, y) for number, samples in enumerate(sequences) for t, y in _all_updates(samples)]


def _all_updates(samples: NDArray[np.float32]) -> list[tuple[int, float]]:
    place = Place()
    while (t := place.wake) < len(samples):
        missed = np.isnan(samples[t]).all()
        place = place.miss(t, 1) if missed else place.read(t, samples[t].tobytes())
    return list(place.recent)
