"""A stream that outlives its connections, sans-IO: what to send, what to keep, which updates are new.

A place in a stream is (sequence, index). The server stands at one place; what it has read before lies behind it:

    ─────── saved ─────── heard ─────────────── sent ─────── put
            │  kept: read │  unanswered: whole  │  waiting
            │  samples    │  messages           │  for room

When a connection breaks, the server may be anywhere from `saved` (it died) to `sent` (only replies were lost). `ready`
tells where, and repeats the latest updates. Those that are new are handed out; then everything from the server's place
on is sent again, skipping being recomputed from the indices alone; updates that were heard before are dropped. What is
read depends on the samples alone, so the same samples are read again and the same updates come, bit for bit.

The server repeats the updates of its latest message, and at least `limits.replay_updates` of them. So never more than
that many samples, or one message, are unanswered; a reset waits until everything before it has been answered.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from skiprnn_client.dialer import Resume
from skiprnn_client.errors import ProtocolError, ServerError, StreamClosed, StreamLost, Unsaved
from skiprnn_client.kept import Kept, Message, Place
from skiprnn_client.messages import (
    END,
    RESET,
    Encoding,
    Ended,
    Floats,
    GoAway,
    Ready,
    Reply,
    Saved,
    Update,
    decode_answer,
    encode_samples,
)
from skiprnn_client.samples import check_finite, most_samples

_MERGED = 256  # samples of a replayed message, at most
_REPLAYS_IN_FLIGHT = 32  # or both sides might wait for each other to read


class ExactlyOnce:
    """One stream. Drive it like this, each time a connection is made, for as long as it is not `over`:

        connected(ready), then send all of outgoing() after every call, and received(data) for whatever comes;
        lost(error) when the connection breaks

    Args:
        window: messages that may be unanswered.
        wake: leave out samples that will not be read.
        resume: None: the first connection is the only one.
        elsewhere: there are other servers to go to when this one is about to stop.

    Attributes:
        ready: what the first connection said; None before it.
        sequence, next: place of the sample that `put` takes next.
        wake: index of the next sample that will be read, as far as replies have told.
        over: the stream has ended, or was left.
        leaving: the server is about to stop, and everything sent has been answered: connect elsewhere.
    """

    def __init__(
        self,
        *,
        encoding: Encoding,
        window: int,
        wake: bool = True,
        resume: Resume | None,
        elsewhere: bool = False,
    ) -> None:
        self._encoding, self._window, self._honour_wake, self._resume = encoding, window, wake, resume
        self._elsewhere = elsewhere
        limits = resume or Resume()
        self._kept = Kept(max_samples=limits.max_samples, max_bytes=limits.max_bytes)
        self._unanswered: deque[Message] = deque()  # all of the present sequence
        self._backlog: deque[Message | str] = deque()  # to be sent on this connection
        self._in_flight: deque[Message] = deque()  # sent on this connection
        self._delivered: Place = (0, -1)
        self._reach: Place = (0, 0)  # the server cannot be further
        self._shift = 0  # our number of what the server calls sequence 0
        self._last_words: ServerError | None = None
        self._going_away = self._ending = False
        self.ready: Ready | None = None
        self.sequence = self.next = self.wake = 0
        self.over = False

    # -- what the connection tells

    def connected(self, ready: Ready) -> Sequence[Update]:
        """A connection is open. Returns updates whose replies were lost. Raises StreamLost."""
        self._durable = bool(ready.limits.get("durable"))
        self._repeated = int(ready.limits.get("replay_updates", 0))
        first, self._current = self.ready is None, ready
        if first:
            self._begin(ready)
            return ()
        if self._ending:
            self._end_again(ready)
            return ()
        return self._resumed(ready)

    def received(self, data: bytes | str) -> Sequence[Update]:
        """A message came. Returns updates that are new.

        Raises:
            ServerError: a message of ours was refused.
            ProtocolError: it is not what the protocol promises.
        """
        match answer := decode_answer(data, self._current):
            case Reply():
                return self._answered(answer)
            case Saved(saved, sequence):
                self._on_saved(saved, sequence)
            case GoAway():
                self._going_away = self._elsewhere and self._resume is not None
            case Ended():
                self.over = True
            case ServerError(fatal=True):
                self._last_words = answer  # the close code tells whether to come back
            case ServerError():
                raise answer
        return ()

    def lost(self, error: StreamClosed) -> None:
        """The connection broke. Raises what it broke for if it cannot be resumed."""
        words, self._last_words = self._last_words, None
        if self._resume is None or not error.resumable:
            raise words or error
        self._backlog.clear()
        self._in_flight.clear()
        self._going_away = False

    # -- what the user does

    @property
    def next_needed(self) -> int:
        """Index of the next sample that is worth fetching."""
        return max(self.next, self.wake)

    @property
    def quiet(self) -> bool:
        """Everything put has been answered."""
        return not self._unanswered

    @property
    def crowded(self) -> bool:
        """As many messages as may be are unanswered."""
        return len(self._unanswered) >= self._window

    @property
    def room(self) -> bool:
        """`put` is welcome."""
        return not self.crowded and not (self._kept.full and self._when_full == "wait")

    def put(self, samples: Floats, *, t: int | None = None) -> None:
        """Take samples [n, F], the first of index t; None: `next`. Those that will not be read are left out.

        Raises:
            SampleError: not finite.
            Unsaved: too many are kept, and `when_full` is "raise".
        """
        first = self.next if t is None else t
        needless = min(max(self.wake - first, 0), len(samples)) if self._honour_wake else 0
        self.next = first + len(samples)
        if needless == len(samples):
            return
        check_finite(samples[needless:], t=first + needless)
        self._make_room()
        self._append(first + needless, samples[needless:])

    def reset(self) -> None:
        """Start a new sequence. Only when it is `quiet`."""
        self.sequence += 1
        self.next = self.wake = 0
        self._reach = max(self._reach, (self.sequence, 0))
        self._backlog.append(RESET)

    def end(self) -> None:
        """End the stream. Only when it is `quiet`."""
        self._ending = True
        self._backlog.append(END)

    def settle(self) -> None:
        """Tell the server of samples that were left out at the end, so that it stands where the source does."""
        assert self.ready is not None
        if self._reach < (self.sequence, self.next) and self.next <= self.wake:
            size = 4 * self.ready.features  # of a sample that will not be looked at
            self._submit(Message(self.sequence, self.next - 1, 1, bytes(size)))

    def leave(self) -> None:
        """Nothing more is wanted of it."""
        self.over = True

    # -- what is to be sent

    @property
    def leaving(self) -> bool:
        return self._going_away and not self._in_flight

    @property
    def sendable(self) -> bool:
        """`outgoing` has something."""
        return bool(self._backlog) and self._may_go(self._backlog[0])

    def outgoing(self) -> Iterator[bytes | str]:
        """What may be sent now, in order; each is taken as sent."""
        while self.sendable:
            item = self._backlog.popleft()
            if isinstance(item, str):
                yield item
            else:
                self._in_flight.append(item)
                yield encode_samples(item.t, item.samples, self._encoding)

    def _may_go(self, item: Message | str) -> bool:
        if isinstance(item, str) or self._going_away:
            return not self._going_away
        flying = self._in_flight
        if not flying:
            return True
        fresh = sum(message.n for message in flying if not message.replayed)
        if item.replayed or not fresh:
            return len(flying) < _REPLAYS_IN_FLIGHT
        return self._resume is None or fresh + item.n <= self._repeated

    # -- inside

    @property
    def _when_full(self) -> str:
        return self._resume.when_full if self._resume else "drop"

    def _begin(self, ready: Ready) -> None:
        self.ready = ready
        self.sequence, self.next, self.wake = ready.sequence, ready.next, ready.wake
        self._reach = self._kept.floor = (ready.sequence, ready.next)
        self._delivered = (ready.sequence, ready.next - 1)

    def _end_again(self, ready: Ready) -> None:
        """`closed` was lost, or `end`. Everything has been handed out: nothing is replayed."""
        if ready.resumed:
            self._backlog.append(END)
        else:
            self.over = True

    def _resumed(self, ready: Ready) -> Sequence[Update]:
        place = self._place(ready)
        updates = self._take(place[0], ready.updates if ready.resumed else ())
        while self._unanswered and (self.sequence, self._unanswered[0].end) <= place:
            self._unanswered.popleft()
        if place[0] == self.sequence:
            self.wake = max(self.wake, ready.wake)
        self._let_go(place[0], saved=ready.saved, wake=ready.wake)
        self._backlog = deque(self._plan(place))
        return updates

    def _place(self, ready: Ready) -> Place:
        """Where the server stands, in our count. Raises StreamLost: that is no place to go on from."""
        floor = self._kept.floor
        if not ready.resumed:
            if floor > (self.sequence, 0):
                self._lose("the server does not know the stream any more", floor)
            self._check_same_model(ready)
            self._shift = self.sequence
            return self.sequence, 0
        sequence = ready.sequence + self._shift
        if (sequence, ready.wake) < floor:
            self._lose(f"the server fell back to sample {ready.next} of sequence {sequence}", floor)
        if (sequence, ready.next) > self._reach:
            self._lose("somebody else has sent samples to the stream", self._reach)
        if sequence == self.sequence and ready.updates_from > self.wake:
            self._lose("the server has forgotten updates whose replies were lost", (sequence, self.wake))
        return sequence, ready.next

    def _check_same_model(self, ready: Ready) -> None:
        """A stream that begins again must give the same updates again."""
        assert self.ready is not None
        before, now = self.ready, ready
        if self._delivered >= (self.sequence, 0) and before.version != now.version:
            self._lose(
                f"the stream began with version {before.version} of the model, the server has {now.version}",
                (self.sequence, 0),
            )

    def _lose(self, why: str, place: Place) -> None:
        raise StreamLost(why, sequence=place[0], t=place[1])

    def _plan(self, place: Place) -> Iterator[Message | str]:
        """Everything from a place on, with the resets in between."""
        at, most = place[0], min(most_samples(self._current, self._encoding), _MERGED)
        for message in (*self._kept.since(place, most=most), *self._unanswered):
            yield from [RESET] * (message.sequence - at)
            at = message.sequence
            yield message
        yield from [RESET] * (self.sequence - at)

    def _answered(self, reply: Reply) -> Sequence[Update]:
        if not self._in_flight:
            raise ProtocolError(f"an answer to nothing: {reply!r:.200}")
        message = self._in_flight.popleft()
        updates = self._take(message.sequence, reply.updates)
        if not message.replayed:
            self._unanswered.popleft()
        if message.sequence == self.sequence:
            self.wake = max(self.wake, reply.wake)
        self._let_go(message.sequence, saved=reply.saved, wake=reply.wake)
        return updates

    def _take(self, sequence: int, updates: Sequence[Update]) -> Sequence[Update]:
        """Those that are new; the samples that they come from are kept."""
        new = [update for update in updates if (sequence, update.t) > self._delivered]
        if new:
            self._delivered = (sequence, new[-1].t)
        if self._durable and self._resume:
            for update in new:
                self._keep(sequence, update.t)
        return [update._replace(sequence=sequence) for update in new]

    def _keep(self, sequence: int, t: int) -> None:
        for message in self._unanswered:
            if message.t <= t < message.end:
                self._kept.add((sequence, t), message.sample(t))
                return

    def _on_saved(self, saved: int, sequence: int | None) -> None:
        if sequence is None:  # what was said is behind everything that was answered
            sequence = self._delivered[0] - self._shift
        if self._durable:
            self._kept.let_go((sequence + self._shift, saved))

    def _let_go(self, sequence: int, *, saved: int, wake: int) -> None:
        """Without a durable store the server has either everything that it answered, or nothing."""
        if not self._durable:
            self._kept.let_go((sequence, wake))
        elif saved:  # 0 may mean that not even the reset before is saved
            self._kept.let_go((sequence, saved))

    def _make_room(self) -> None:
        if not self._kept.full:
            return
        if self._when_full == "raise":
            raise Unsaved(f"{len(self._kept)} samples wait for the server to save them")
        if self._when_full == "drop":
            self._kept.drop()

    def _append(self, t: int, samples: Floats) -> None:
        """The bytes are ours: a source may use its buffer again."""
        self._submit(Message(self.sequence, t, len(samples), samples.astype("<f4").tobytes()))

    def _submit(self, message: Message) -> None:
        self._reach = max(self._reach, (message.sequence, message.end))
        self._unanswered.append(message)
        self._backlog.append(message)
