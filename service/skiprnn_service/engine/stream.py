"""One stream: its position, and which samples of a message are updates. Sans-IO: arithmetic, no clock, no arrays.

A stream is two indices. `next` is that of the first sample not yet consumed, `wake` that of the next update
(`skiprnn_export.gate`); next <= wake. Every sample before `wake` is skipped: consumed by arithmetic, without decoding
its bytes. A message of n samples is begun, updated from where the gate says so, and finished:

    event      idle          due           done
    skip       idle
    miss       idle
    begin      due | done
    advance                  due | done
    finish                                 idle
    abort                    idle          idle
    reset      idle

skip is begin and finish at once for a message without an update, and does nothing to any other message. miss is a
message of samples that do not exist: an update that falls on one of them waits for the next sample. begin and
advance return the offset in the message of the next update ("due"), or None ("done"). Any other event is a
StreamStateError. Within a message nothing of `next`, `last_y`, `recent`, the counts and what the alarm rule keeps
changes before `finish`: `abort` takes the stream back to where it was.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from skiprnn_service.engine.alarms import AlarmRule, Detected, Event
from skiprnn_service.errors import GapError, StreamStateError

RECENT_UPDATES = 32  # held at least, so that a client which lost replies gets their updates again


class Update(NamedTuple):
    """The network was updated with sample `t`; its outputs are `y` (K little-endian float32) until the next update."""

    t: int
    y: bytes


class Reply(NamedTuple):
    """The answer to one message.

    Attributes:
        t: index of the last sample consumed; −1 before the first.
        wake: index of the next update; samples before it may be left out.
        updates: in order; empty when all samples were skipped.
        events: those of the updates that gave an alarm; empty for a bundle without events.
    """

    t: int
    wake: int
    updates: Sequence[Update]
    events: Sequence[Event] = ()


class Position(NamedTuple):
    """How far a stream is, between two messages.

    Attributes:
        next: index of the first sample not yet consumed.
        skip_remaining: samples to skip before the next update: wake − next.
        samples, updates: totals, over all sequences of the stream.
        last_y: K little-endian float32; None before the first update of a sequence.
        sequence: resets so far.
        recent: the latest updates of this sequence, in order: all of the latest message that had any, and
            RECENT_UPDATES at least.
        recent_from: every update of this sequence at this index or later is in `recent`.
        detected: what the alarm rule keeps (`alarms.py`); () for a bundle without events.
        events: the alarms that the updates in `recent` gave.
    """

    next: int = 0
    skip_remaining: int = 0
    samples: int = 0
    updates: int = 0
    last_y: bytes | None = None
    sequence: int = 0
    recent: tuple[Update, ...] = ()
    recent_from: int = 0
    detected: Detected = ()
    events: tuple[Event, ...] = ()

    @property
    def wake(self) -> int:
        """Index of the next update."""
        return self.next + self.skip_remaining


START = Position()


class Snapshot(NamedTuple):
    """All of a stream between two messages: enough to go on, bit for bit, in another process.

    Attributes:
        bundle_sha256: of the file whose state this is; another file of the same name cannot go on with it.
        threshold: of the gate.
        state: S little-endian float32.
        principal: whose stream it is; "" without authentication.
    """

    model: str
    version: str
    bundle_sha256: str
    stream_id: str
    threshold: float
    position: Position
    state: bytes
    principal: str = ""


class State(StrEnum):
    """What a stream does with its message."""

    IDLE = "idle"
    DUE = "due"
    DONE = "done"


# Names of the module are faster to read than members of the class; begin and finish run for every message.
_IDLE, _DUE, _DONE = State
_NOTHING: tuple[Update, ...] = ()
_new_tuple = tuple.__new__  # Update(t, y) takes twice as long as this


class Stream:
    """One stream, from a position on. The module's table says which call is legal in which state.

    Attributes:
        id: its key in the store.
        wake: index of the next update; inside a message, of the one that is due.
        next, updates, last_y, sequence, recent_from, events: as in `Position`.

    Args:
        alarms: of the bundle; None: it has no events.
    """

    __slots__ = (
        "_alarms",
        "_before",
        "_detected",
        "_end",
        "_first",
        "_pending",
        "_recent",
        "_wake_before",
        "events",
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
        self, stream_id: str, position: Position = START, *, alarms: AlarmRule | None = None
    ) -> None:
        self.id = stream_id
        self.next, self.wake = position.next, position.wake
        self.updates, self.last_y = position.updates, position.last_y
        self.sequence, self.recent_from = position.sequence, position.recent_from
        self._recent: list[Update] | None = list(position.recent) or None  # None: no memory without updates
        self._alarms, self._detected, self.events = alarms, position.detected, position.events
        self.state = _IDLE
        self._before = position.samples - position.next  # consumed in earlier sequences
        self._first = self._end = self._wake_before = 0
        self._pending: list[Update] = []  # of the message in progress

    @property
    def position(self) -> Position:
        """After the latest message that was finished."""
        wake = self.wake if self.state is _IDLE else self._wake_before
        counts = (self.samples, self.updates, self.last_y)
        return Position(
            self.next,
            wake - self.next,
            *counts,
            self.sequence,
            self.recent,
            self.recent_from,
            self._detected,
            self.events,
        )

    @property
    def samples(self) -> int:
        """Samples consumed, over all sequences; left-out ones count as skipped."""
        return self._before + self.next

    @property
    def recent(self) -> tuple[Update, ...]:
        """As in `Position`."""
        return tuple(self._recent or ())

    def skip(self, t: int | None, n: int) -> bool:
        """Consume a message of `n` samples if none is an update; else nothing happens. Arguments as of `begin`."""
        first = self.next if t is None else t
        end = first + n
        if end > self.wake or first > self.wake or self.state is not _IDLE:
            return False
        if end > self.next:
            self.next = end
        return True

    def miss(self, t: int | None, n: int) -> Reply:
        """Consume `n` samples that were missed: none of them can be an update, which waits for the one behind them.

        Args:
            t: index of the first; as of `begin`, and so are the errors.
        """
        if self.state is not _IDLE:
            raise StreamStateError("miss", self.state)
        first = self.next if t is None else t
        if first > self.wake:
            raise GapError(first, next=self.next, wake=self.wake)
        self.next = max(self.next, first + n)
        self.wake = max(self.wake, self.next)
        return Reply(self.next - 1, self.wake, _NOTHING)

    def begin(self, t: int | None, n: int) -> int | None:
        """Start a message of `n` samples.

        Args:
            t: index of its first sample; None is the next one. Samples between `next` and `t` count as skipped;
                samples that were consumed already are passed over, so that a message may be sent twice.

        Returns:
            the offset in the message of its first update, or None if it has none.

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
        self._end, self._wake_before = end, wake
        if end <= wake:
            self.state = _DONE
            return None
        self._first = first
        self.state = _DUE
        return wake - first

    def advance(self, skip: int, y: bytes) -> int | None:
        """The update that was due is done: outputs `y`, then `skip` samples to skip.

        Returns:
            the offset in the message of the next update, or None if it has no more.
        """
        if self.state is not _DUE:
            raise StreamStateError("advance", self.state)
        t = self.wake
        self._pending.append(_new_tuple(Update, (t, y)))
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
        updates = self._pending
        if not updates:
            return Reply(self.next - 1, self.wake, _NOTHING)
        self._pending = []
        self.updates += len(updates)
        self.last_y = updates[-1].y
        self._retain(updates)
        if self._alarms is None:
            return Reply(self.next - 1, self.wake, updates)
        return Reply(self.next - 1, self.wake, updates, self._detect(self._alarms, updates))

    def _detect(self, alarms: AlarmRule, updates: list[Update]) -> tuple[Event, ...]:
        events, self._detected = alarms(self._detected, updates)
        if self.events or events:
            self.events = tuple(event for event in self.events + events if event.t >= self.recent_from)
        return events

    def _retain(self, updates: list[Update]) -> None:
        recent = self._recent
        if recent is None:
            self._recent = recent = []
        recent += updates
        excess = len(recent) - max(RECENT_UPDATES, len(updates))
        if excess > 0:
            self.recent_from = recent[excess - 1].t + 1
            del recent[:excess]

    def abort(self) -> None:
        """Drop the message: the stream is exactly as before `begin`."""
        if self.state is _IDLE:
            raise StreamStateError("abort", self.state)
        self.wake, self._pending, self.state = self._wake_before, [], _IDLE

    def reset(self) -> None:
        """Start a new sequence: its first sample is 0 again, and an update."""
        if self.state is not _IDLE:
            raise StreamStateError("reset", self.state)
        self._before += self.next
        self.next = self.wake = self.recent_from = 0
        self.last_y = self._recent = None
        self._detected, self.events = (), ()
        self.sequence += 1
