"""One stream: where it stands, and what of a message must be read. Sans-IO: arithmetic, no clock, no arrays.

A stream is two indices. `next` is that of the first sample not yet consumed, `wake` that of the next sample the
network will read (`skiprnn_export.gate`); next <= wake. Every sample before `wake` is consumed by arithmetic: nobody
looks at its bytes. A message of n samples is begun, read where it must be, and finished:

    event      idle          due           done
    skip       idle
    begin      due | done
    advance                  due | done
    finish                                 idle
    abort                    idle          idle
    reset      idle

skip is begin and finish at once for a message of which nothing is read, and does nothing where that is not so.
begin and advance return the offset in the message of the sample to read ("due"), or None ("done"). Any other
event is a StreamStateError. `next`, `last_y`, `recent` and the counts move in `finish` alone, so a stream that is left
in the middle of a message goes back to where it was by `abort`.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from skiprnn_service.errors import GapError, StreamStateError

RECENT_UPDATES = 32  # kept at least, so that a client which lost replies gets their updates again


class Update(NamedTuple):
    """The network read sample `t` and its outputs became `y`: K little-endian float32. They hold until the next."""

    t: int
    y: bytes


class Reply(NamedTuple):
    """The answer to one message.

    Attributes:
        t: index of the last sample consumed; −1 before the first.
        wake: index of the next sample that will be read; samples before it may be left out.
        updates: in order; empty when everything was skipped.
    """

    t: int
    wake: int
    updates: Sequence[Update]


class Snapshot(NamedTuple):
    """All of a stream between two messages: enough to go on, bit for bit, in another process.

    Attributes:
        bundle_sha256: of the file whose state this is; another file of the same name cannot go on with it.
        threshold: of the gate.
        next: index of the first sample not yet consumed.
        skip_remaining: samples still to skip before the next is read: wake − next.
        samples, updates: totals, over all sequences of the stream.
        state: S little-endian float32.
        last_y: K little-endian float32; None before the first update of a sequence.
        principal: whose stream it is; "" where nobody has to say who they are.
        sequence: resets so far.
        recent: the latest updates of this sequence, in order: all of the latest message that had any, and
            RECENT_UPDATES at least.
        recent_from: every update of this sequence at this index or later is in `recent`.
    """

    model: str
    version: str
    bundle_sha256: str
    stream_id: str
    threshold: float
    next: int
    skip_remaining: int
    samples: int
    updates: int
    state: bytes
    last_y: bytes | None
    principal: str = ""
    sequence: int = 0
    recent: tuple[Update, ...] = ()
    recent_from: int = 0


class State(StrEnum):
    """Where a stream is in its message."""

    IDLE = "idle"
    DUE = "due"
    DONE = "done"


# Names of the module are faster to read than members of the class; begin and finish run for every message.
_IDLE, _DUE, _DONE = State
_NOTHING: tuple[Update, ...] = ()
_new_tuple = tuple.__new__  # Update(t, y) takes twice as long as this


class Stream:
    """One stream's position. See the module's table for what may be called when.

    Attributes:
        id: its name, for people and for resuming.
        next: index of the first sample not yet consumed.
        wake: index of the next sample that will be read; inside a message, of the one being read.
        updates: count, over all sequences.
        last_y: outputs of the latest update (K little-endian float32), None before the first of a sequence.
        sequence: resets so far.
        recent_from: every update of this sequence at this index or later is in `recent`.
    """

    __slots__ = (
        "_before",
        "_end",
        "_first",
        "_found_wake",
        "_reads",
        "_recent",
        "id",
        "last_y",
        "next",
        "recent_from",
        "sequence",
        "state",
        "updates",
        "wake",
    )

    def __init__(
        self,
        stream_id: str,
        *,
        next: int = 0,
        skip_remaining: int = 0,
        samples: int = 0,
        updates: int = 0,
        last_y: bytes | None = None,
        sequence: int = 0,
        recent: Sequence[Update] = (),
        recent_from: int = 0,
    ) -> None:
        self.id = stream_id
        self.next, self.wake = next, next + skip_remaining
        self.updates, self.last_y = updates, last_y
        self.sequence, self.recent_from = sequence, recent_from
        self._recent: list[Update] | None = (
            list(recent) or None
        )  # None: a stream that reads nothing pays nothing
        self.state = _IDLE
        self._before = samples - next  # consumed in earlier sequences
        self._first = self._end = self._found_wake = 0
        self._reads: list[Update] = []

    @property
    def samples(self) -> int:
        """Samples consumed, over all sequences; left-out ones count as skipped."""
        return self._before + self.next

    @property
    def skip_remaining(self) -> int:
        """Samples to skip before the next is read, as `begin` found it if a message is in progress."""
        return (self.wake if self.state is _IDLE else self._found_wake) - self.next

    @property
    def recent(self) -> tuple[Update, ...]:
        """The latest updates of this sequence, in order: all of the latest message that had any, and RECENT_UPDATES at
        least."""
        return tuple(self._recent or ())

    def skip(self, t: int | None, n: int) -> bool:
        """Consume a message of `n` samples if none of it is read; else nothing happens. Arguments as of `begin`."""
        first = self.next if t is None else t
        end = first + n
        if end > self.wake or first > self.wake or self.state is not _IDLE:
            return False
        if end > self.next:
            self.next = end
        return True

    def begin(self, t: int | None, n: int) -> int | None:
        """Start a message of `n` samples.

        Args:
            t: index of its first sample; None is the next one. Samples between `next` and `t` count as skipped;
                samples that were consumed already are passed over, so that a message may be sent twice.

        Returns:
            the offset in the message of the sample to read, or None when nothing of it is read.

        Raises:
            GapError: t lies past `wake`. Nothing changed.
        """
        if self.state is not _IDLE:
            raise StreamStateError("begin", self.state)
        first = self.next if t is None else t
        wake = self.wake
        if first > wake:
            raise GapError(first, next=self.next, wake=wake)
        end = first + n
        self._end, self._found_wake = end, wake
        if end <= wake:
            self.state = _DONE
            return None
        self._first = first
        self.state = _DUE
        return wake - first

    def advance(self, skip: int, y: bytes) -> int | None:
        """The sample that was due has been read: outputs `y`, then `skip` samples to leave out.

        Returns:
            the offset in the message of the next sample to read, or None when nothing more of it is read.
        """
        if self.state is not _DUE:
            raise StreamStateError("advance", self.state)
        t = self.wake
        self._reads.append(_new_tuple(Update, (t, y)))
        self.wake = wake = t + 1 + skip
        if wake < self._end:
            return wake - self._first
        self.state = _DONE
        return None

    def finish(self) -> Reply:
        """Commit the message."""
        if self.state is not _DONE:
            raise StreamStateError("finish", self.state)
        self.state = _IDLE
        if self._end > self.next:
            self.next = self._end
        reads = self._reads
        if not reads:
            return Reply(self.next - 1, self.wake, _NOTHING)
        self._reads = []
        self.updates += len(reads)
        self.last_y = reads[-1].y
        self._retain(reads)
        return Reply(self.next - 1, self.wake, reads)

    def _retain(self, reads: list[Update]) -> None:
        recent = self._recent
        if recent is None:
            self._recent = recent = []
        recent += reads
        excess = len(recent) - max(RECENT_UPDATES, len(reads))
        if excess > 0:
            self.recent_from = recent[excess - 1].t + 1
            del recent[:excess]

    def abort(self) -> None:
        """Drop the message: back to exactly where `begin` found the stream."""
        if self.state is _IDLE:
            raise StreamStateError("abort", self.state)
        self.wake, self._reads, self.state = self._found_wake, [], _IDLE

    def reset(self) -> None:
        """Start a new sequence: its first sample is 0 again and will be read."""
        if self.state is not _IDLE:
            raise StreamStateError("reset", self.state)
        self._before += self.next
        self.next = self.wake = self.recent_from = 0
        self.last_y = self._recent = None
        self.sequence += 1
