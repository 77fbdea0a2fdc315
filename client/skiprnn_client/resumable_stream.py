"""A stream that continues across connections, sans-IO: what to send, what to buffer, which updates are new.

A position in a stream is (sequence, index). The server is at one position; the samples before it are processed:

    ─────── saved ─────── answered ──────────── sent ─────── put
            │  buffered:  │  unanswered: whole  │  waiting
            │  updated or │  messages           │  until it
            │  missed     │                     │  can send
            │  samples    │                     │

When a connection is lost, the server may be anywhere from `saved` (it was killed) to `sent` (only replies were lost).
`ready` gives its position and repeats the latest updates. Those that are new are returned; then everything from the
server's position on is sent again, without the skipped samples, which follow from the indices alone; updates that were
received before are dropped. Which samples are updated on depends on the samples alone, and on which were missed, so the
same samples give the same updates again, bit for bit.

The server repeats the updates of its latest message, and at least `limits.replay_updates` of them. So never more than
that many samples, or one message, are unanswered; a reset waits until everything before it has been answered.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from skiprnn_client.errors import (
    BufferFullError,
    ProtocolError,
    ServerError,
    StreamClosed,
    StreamLost,
    missed_rejected,
)
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
    encode_missed,
    encode_samples,
)
from skiprnn_client.replay_buffer import Message, Position, ReplayBuffer
from skiprnn_client.retry import RetryPolicy
from skiprnn_client.samples import Block, Missed, check_finite, most_samples

_MERGED = 256  # samples of a replayed message, at most
_REPLAYS_IN_FLIGHT = 32  # or both sides might wait for each other to read


class ResumableStream:
    """One stream. Drive it like this, for each connection, until it is `over`:

        connected(ready), then send all of outgoing() after every call, and received(data) for each message;
        lost(error) when the connection is lost

    Args:
        window: messages that may be unanswered.
        wake: leave out samples that the network skips.
        retry: None: the first connection is the only one.
        elsewhere: there are other servers to move to when this one is about to stop.

    Attributes:
        ready: the first connection's; None before it.
        sequence, next: position of the sample that `put` takes next.
        wake: index of the next update, according to the latest reply.
        over: the stream has ended, or was abandoned.
        moving_away: the server is about to stop, and everything sent has been answered: move to another server.
    """

    def __init__(
        self,
        *,
        encoding: Encoding,
        window: int,
        wake: bool = True,
        retry: RetryPolicy | None,
        elsewhere: bool = False,
    ) -> None:
        self._encoding, self._window, self._honour_wake, self._retry = encoding, window, wake, retry
        self._elsewhere = elsewhere
        limits = retry or RetryPolicy()
        self._buffer = ReplayBuffer(max_samples=limits.max_samples, max_bytes=limits.max_bytes)
        self._unanswered: deque[Message] = deque()  # all of the current sequence
        self._backlog: deque[Message | str] = deque()  # to be sent on this connection
        self._in_flight: deque[Message] = deque()  # sent on this connection
        self._delivered: Position = (0, -1)
        self._reach: Position = (0, 0)  # the server cannot be further
        self._shift = 0  # our number of the server's sequence 0
        self._last_error: ServerError | None = None
        self._going_away = self._ending = False
        self.ready: Ready | None = None
        self.sequence = self.next = self.wake = 0
        self.over = False

    # -- events of the connection

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
            ServerError: the server rejected a message.
            ProtocolError: the protocol does not allow the message.
        """
        match answer := decode_answer(data, self._current):
            case Reply():
                return self._answered(answer)
            case Saved(saved, sequence):
                self._on_saved(saved, sequence)
            case GoAway():
                self._going_away = self._elsewhere and self._retry is not None
            case Ended():
                self.over = True
            case ServerError(fatal=True):
                self._last_error = answer  # the close code says whether to reconnect
            case ServerError():
                about_missed = bool(self._in_flight) and self._in_flight[0].data is None
                raise missed_rejected(answer) if about_missed else answer
        return ()

    def lost(self, error: StreamClosed) -> None:
        """The connection is lost. Raises the cause if the stream cannot be resumed."""
        cause, self._last_error = self._last_error, None
        if self._retry is None or not error.resumable:
            raise cause or error
        self._backlog.clear()
        self._in_flight.clear()
        self._going_away = False

    # -- calls of the user

    @property
    def next_needed(self) -> int:
        """Index of the next sample that is needed."""
        return max(self.next, self.wake)

    @property
    def idle(self) -> bool:
        """Everything put has been answered."""
        return not self._unanswered

    @property
    def free_slots(self) -> int:
        """Messages that may be put before one of the unanswered is answered."""
        return self._window - len(self._unanswered)

    @property
    def window_full(self) -> bool:
        """The allowed number of messages are unanswered."""
        return self.free_slots <= 0

    @property
    def can_send(self) -> bool:
        """`put` may be called."""
        return not self.window_full and not (self._buffer.full and self._when_full == "wait")

    def put(self, samples: Block, *, t: int | None = None) -> None:
        """Take samples [n, F], the first of index t; None: `next`. Those that the network skips are left out.

        Of missed samples too: where no update falls on them, they count as skipped.

        Raises:
            SampleError: not finite.
            BufferFullError: the buffer is full, and `when_full` is "raise".
        """
        first = self.next if t is None else t
        skipped = min(max(self.wake - first, 0), len(samples)) if self._honour_wake else 0
        self.next = first + len(samples)
        if skipped == len(samples):
            return
        data = None if isinstance(samples, Missed) else _data(samples[skipped:], t=first + skipped)
        self._limit_buffer()
        self._submit(Message(self.sequence, first + skipped, len(samples) - skipped, data))

    def reset(self) -> None:
        """Start a new sequence. Only when it is `idle`."""
        self.sequence += 1
        self.next = self.wake = 0
        self._reach = max(self._reach, (self.sequence, 0))
        self._backlog.append(RESET)

    def end(self) -> None:
        """End the stream. Only when it is `idle`."""
        self._ending = True
        self._backlog.append(END)

    def flush(self) -> None:
        """Tell the server of samples that were left out at the end, so that its position is the source's."""
        assert self.ready is not None
        if self._reach < (self.sequence, self.next) and self.next <= self.wake:
            size = 4 * self.ready.features  # of a sample that will be skipped
            self._submit(Message(self.sequence, self.next - 1, 1, bytes(size)))

    def abandon(self) -> None:
        """The caller wants no more updates."""
        self.over = True

    # -- what is to be sent

    @property
    def moving_away(self) -> bool:
        return self._going_away and not self._in_flight

    @property
    def sendable(self) -> bool:
        """`outgoing` has a message."""
        return bool(self._backlog) and self._may_send(self._backlog[0])

    def outgoing(self) -> Iterator[bytes | str]:
        """What may be sent now, in order; each is taken as sent."""
        while self.sendable:
            item = self._backlog.popleft()
            if isinstance(item, str):
                yield item
            else:
                self._in_flight.append(item)
                yield self._encoded(item)

    def _encoded(self, message: Message) -> bytes | str:
        if message.data is None:
            return encode_missed(message.t, message.n)
        return encode_samples(message.t, message.samples, self._encoding)

    def _may_send(self, item: Message | str) -> bool:
        if isinstance(item, str) or self._going_away:
            return not self._going_away
        in_flight = self._in_flight
        if not in_flight:
            return True
        fresh = sum(message.n for message in in_flight if not message.replayed)
        if item.replayed or not fresh:
            return len(in_flight) < _REPLAYS_IN_FLIGHT
        return self._retry is None or fresh + item.n <= self._repeated

    # -- inside

    @property
    def _when_full(self) -> str:
        return self._retry.when_full if self._retry else "drop"

    def _begin(self, ready: Ready) -> None:
        self.ready = ready
        self.sequence, self.next, self.wake = ready.sequence, ready.next, ready.wake
        self._reach = self._buffer.floor = (ready.sequence, ready.next)
        self._delivered = (ready.sequence, ready.next - 1)

    def _end_again(self, ready: Ready) -> None:
        """`ended` was lost, or `end`. All updates have been returned: nothing is replayed."""
        if ready.resumed:
            self._backlog.append(END)
        else:
            self.over = True

    def _resumed(self, ready: Ready) -> Sequence[Update]:
        position = self._position(ready)
        updates = self._take(position[0], ready.updates if ready.resumed else ())
        while self._unanswered and (self.sequence, self._unanswered[0].end) <= position:
            self._store(self._unanswered.popleft(), updates)
        if position[0] == self.sequence:
            self.wake = max(self.wake, ready.wake)
        self._discard_saved(position[0], saved=ready.saved, wake=ready.wake)
        self._backlog = deque(self._plan(position))
        return updates

    def _position(self, ready: Ready) -> Position:
        """The server's position, in our count of sequences. Raises StreamLost: no position to resume from."""
        floor = self._buffer.floor
        if not ready.resumed:
            if floor > (self.sequence, 0):
                self._lose("the server no longer has the stream", floor)
            self._check_same_model(ready)
            self._shift = self.sequence
            return self.sequence, 0
        sequence = ready.sequence + self._shift
        if (sequence, ready.wake) < floor:
            self._lose(f"the server went back to sample {ready.next} of sequence {sequence}", floor)
        if (sequence, ready.next) > self._reach:
            self._lose("another client has sent samples to the stream", self._reach)
        if sequence == self.sequence and ready.updates_from > self.wake:
            self._lose("the server no longer has updates whose replies were lost", (sequence, self.wake))
        return sequence, ready.next

    def _check_same_model(self, ready: Ready) -> None:
        """A stream that starts again must give the same updates again."""
        assert self.ready is not None
        before, now = self.ready.version, ready.version
        if self._delivered >= (self.sequence, 0) and before != now:
            why = f"the stream started with version {before} of the model, the server has {now}"
            self._lose(why, (self.sequence, 0))

    def _lose(self, why: str, position: Position) -> None:
        raise StreamLost(why, sequence=position[0], t=position[1])

    def _plan(self, position: Position) -> Iterator[Message | str]:
        """Everything from a position on, with the resets in between."""
        at, most = position[0], min(most_samples(self._current, self._encoding), _MERGED)
        for message in (*self._buffer.since(position, most=most), *self._unanswered):
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
            self._store(self._unanswered.popleft(), updates)
        if message.sequence == self.sequence:
            self.wake = max(self.wake, reply.wake)
        self._discard_saved(message.sequence, saved=reply.saved, wake=reply.wake)
        return updates

    def _take(self, sequence: int, updates: Sequence[Update]) -> Sequence[Update]:
        """Those that are new."""
        new = [update for update in updates if (sequence, update.t) > self._delivered]
        if new:
            self._delivered = (sequence, new[-1].t)
        return [update._replace(sequence=sequence) for update in new]

    def _store(self, message: Message, updates: Sequence[Update]) -> None:
        """Buffer what the server has processed of a message: the samples of new updates, or that they were missed."""
        if not (self._durable and self._retry):
            return
        if message.data is None:
            self._buffer.add_missed((message.sequence, message.t), message.n)
            return
        for update in updates:
            if message.t <= update.t < message.end:
                self._buffer.add((message.sequence, update.t), message.sample(update.t))

    def _on_saved(self, saved: int, sequence: int | None) -> None:
        if sequence is None:  # then it refers to the latest update
            sequence = self._delivered[0] - self._shift
        if self._durable:
            self._buffer.discard_before((sequence + self._shift, saved))

    def _discard_saved(self, sequence: int, *, saved: int, wake: int) -> None:
        """Without a durable store the server has everything that it answered, or nothing."""
        if not self._durable:
            self._buffer.discard_before((sequence, wake))
        elif saved:  # 0 may mean that not even the reset before is saved
            self._buffer.discard_before((sequence, saved))

    def _limit_buffer(self) -> None:
        if not self._buffer.full:
            return
        if self._when_full == "raise":
            raise BufferFullError(f"{len(self._buffer)} samples are not saved by the server yet")
        if self._when_full == "drop":
            self._buffer.drop_oldest()

    def _submit(self, message: Message) -> None:
        self._reach = max(self._reach, (message.sequence, message.end))
        self._unanswered.append(message)
        self._backlog.append(message)


def _data(samples: Floats, *, t: int) -> bytes:
    """Copied: a source may reuse its array."""
    check_finite(samples, t=t)
    return samples.astype("<f4").tobytes()
