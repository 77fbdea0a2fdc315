"""The engine of one model: messages in, answers out, for all its streams.

A message is consumed by arithmetic (`stream.py`) up to its first update; then its stream is due, and the batcher
(`batcher.py`) steps it together with others:

    submit → _begin → no update: reply at once
                    → due: Batcher.add → … → _finish → _answer → what waits behind it

A message takes effect as a whole or not at all: its updates go to a row of the arena that is the stream's only when
the message is answered (`arena.py`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from skiprnn_export import SkipTable, skip_table
from skiprnn_service.engine.alarms import AlarmRule
from skiprnn_service.engine.arena import INITIAL
from skiprnn_service.engine.batcher import Batcher
from skiprnn_service.engine.slot import Message, OnError, OnReply, Slot
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.engine.stream import START, Reply, Snapshot
from skiprnn_service.errors import (
    ClientError,
    ModelError,
    OverloadError,
    ShapeError,
    SkipRnnServiceError,
    SnapshotError,
    StreamStateError,
    ThresholdError,
)
from skiprnn_service.stats import EngineStats

_ACTIONS_A_TURN = 64  # of what waits in one stream: rejecting a message takes about 20 µs


class Engine:
    """Streams of one model. All methods belong to the event loop's thread and return at once.

    Args:
        runner: the update step; the engine is its only user (scoring takes `runner.fork()`).
        model, version: in snapshots.
        capacity: live streams, at most.
        inline_step_below_us: a batch predicted to take less runs on the loop, others on a worker thread.

    Raises:
        ModelError: there is no room for the states of so many streams.

    Attributes:
        stats: counts, for metrics.
        live: streams that are open.
        opening: streams that have room and are about to be opened.
    """

    def __init__(
        self,
        runner: StepRunner,
        *,
        model: str,
        version: str,
        capacity: int = 10_000,
        inline_step_below_us: float = 200.0,
    ) -> None:
        info = runner.bundle.info
        self.runner, self.model, self.version, self.capacity = runner, model, version, capacity
        self.stats = EngineStats()
        self.live = self.opening = 0
        self._sample_bytes = runner.x[0].nbytes
        _reserve(runner, capacity)
        self._arena = runner.arena
        self._alarms = AlarmRule.of(info)
        self._batcher = Batcher(
            runner,
            table=skip_table(info.threshold, info.max_skip),
            stats=self.stats,
            finish=self._finish,
            answer=self._answer,
            inline_step_below_us=inline_step_below_us,
        )

    # -- what routes call

    @contextmanager
    def room(self, *, replaces: bool = False) -> Iterator[None]:
        """Keep room for a stream that is opened in the block.

        Args:
            replaces: it takes the place of one that is live and will be closed.

        Raises:
            OverloadError: all streams are in use.
        """
        if self.live + self.opening - replaces >= self.capacity:
            raise self._full()
        self.opening += 1
        try:
            yield
        finally:
            self.opening -= 1

    def open(
        self,
        stream_id: str,
        *,
        on_reply: OnReply,
        on_error: OnError,
        snapshot: Snapshot | None = None,
        threshold: float | None = None,
        principal: str = "",
    ) -> Slot:
        """Start a stream, or go on with a parked one.

        Args:
            on_reply, on_error: called with the answer to each message, on the loop's thread; they may call the
                engine. What they raise goes to the loop's exception handler.
            threshold: of the gate, in [0.5, 1]; None is the snapshot's, else the bundle's. The first use of a value
                builds its table (50 ms): `await asyncio.to_thread(engine.check_threshold, threshold)` before.
            principal: whose stream it is; a parked one has the snapshot's.

        Raises:
            OverloadError: `capacity` streams are live.
            ThresholdError: threshold is out of range.
            SnapshotError: the snapshot is of another model, or of another file of it.
        """
        own = self.runner.bundle.info.threshold
        if snapshot:
            self._check_model(snapshot)
            threshold = snapshot.threshold if threshold is None else threshold
        threshold = own if threshold is None else threshold
        table = None if threshold == own else self.check_threshold(threshold)
        if self.live >= self.capacity:
            raise self._full()
        self.live += 1
        return Slot(
            stream_id,
            snapshot.position if snapshot else START,
            row=self._row_of(snapshot) if snapshot else INITIAL,
            threshold=threshold,
            table=table,
            on_reply=on_reply,
            on_error=on_error,
            principal=snapshot.principal if snapshot else principal,
            alarms=self._alarms,
        )

    def _full(self) -> OverloadError:
        return OverloadError(f"model {self.model!r}: all {self.capacity} streams are in use")

    def check_threshold(self, threshold: float) -> SkipTable:
        """The table of a threshold; may be called from any thread. Raises ThresholdError."""
        try:
            return skip_table(threshold, self.runner.bundle.info.max_skip)
        except ValueError as error:
            raise ThresholdError(str(error)) from error

    def submit(self, slot: Slot, t: int | None, n: int, payload: bytes | memoryview, start: int = 0) -> None:
        """Take a message of n samples. Exactly one callback answers it, in order, perhaps before this returns:
        `on_reply`, or `on_error` (ShapeError, GapError, NonFiniteError, InferenceError), and then nothing changed.

        Args:
            t: index of the first sample; None is the next one (`Stream.begin`).
            payload: from byte `start` on n·F little-endian float32. Held until the answer, not copied.
        """
        if slot.payload is None and not slot.waiting and slot.open:
            self._begin(slot, t, n, payload, start)
        else:
            self._wait(slot, "submit", (t, n, payload, start))

    def miss(self, slot: Slot, t: int | None, n: int) -> None:
        """Take the word of a client that `n` samples were missed. Answered as `submit` answers, but without updates.

        Args:
            t: index of the first; None is the next one (`Stream.miss`).
        """
        self._wait(slot, "miss", partial(self._miss, slot, t, n))

    def reject(self, slot: Slot, error: ClientError) -> None:
        """Answer a message that holds no samples, in its turn."""
        self._wait(slot, "reject", partial(self._reject, slot, error))

    def after(self, slot: Slot, action: Callable[[], None]) -> None:
        """Call `action` when everything submitted so far has been answered: now, if it has."""
        self._wait(slot, "after", action)

    def reset(self, slot: Slot) -> None:
        """Start a new sequence, after everything submitted so far."""
        self._wait(slot, "reset", partial(self._reset, slot))

    def end(self, slot: Slot, on_ended: Callable[[], None]) -> None:
        """After everything submitted so far: free the stream, then call `on_ended`. Its counts stay readable."""
        self._wait(slot, "end", partial(self._end, slot, on_ended))

    def snapshot(self, slot: Slot) -> Snapshot:
        """The stream as it stood after the last message that was answered."""
        return self.snapshots([slot])[0]

    def snapshots(self, slots: Sequence[Slot]) -> list[Snapshot]:
        """The same of many: their states are fetched together, which matters where they are on a GPU."""
        if not all(slot.open for slot in slots):
            raise StreamStateError("snapshot", "closed")
        states = self._arena.read([slot.row for slot in slots]).astype("<f4")
        return [self._snapshot(slot, state) for slot, state in zip(slots, states, strict=True)]

    def _snapshot(self, slot: Slot, state: NDArray[np.float32]) -> Snapshot:
        return Snapshot(
            model=self.model,
            version=self.version,
            bundle_sha256=self.runner.bundle.sha256,
            stream_id=slot.id,
            threshold=slot.threshold,
            position=slot.position,
            state=state.tobytes(),
            principal=slot.principal,
        )

    def detach(self, slot: Slot) -> Snapshot:
        """Free the stream at once and return its snapshot. What is not answered yet never will be."""
        snapshot = self.snapshot(slot)
        self._close(slot)
        return snapshot

    def close(self) -> None:
        """Stop the worker thread, after the batch that it runs. No stream may be used any more."""
        self._batcher.close()

    # -- one message after the other

    def _wait(self, slot: Slot, event: str, action: Message | Callable[[], None]) -> None:
        """Act when everything submitted before has been answered: now, if it has."""
        if not slot.open:
            raise StreamStateError(event, "closed")
        if slot.payload is None and not slot.waiting:
            self._act(slot, action)
        elif slot.waiting is None:
            slot.waiting = deque((action,))
        else:
            slot.waiting.append(action)

    def _act(self, slot: Slot, action: Message | Callable[[], None]) -> None:
        if isinstance(action, tuple):
            self._begin(slot, *action)
            return
        try:
            action()
        except Exception as raised:
            self._report(slot, raised)

    def _begin(self, slot: Slot, t: int | None, n: int, payload: bytes | memoryview, start: int) -> None:
        before = slot.next
        try:
            if len(payload) - start != n * self._sample_bytes:
                expected = f"{n} samples of {self._sample_bytes} bytes"
                raise ShapeError(f"payload: expected {expected}, got {len(payload) - start} bytes")
            if slot.on_skipped and slot.skip(t, n):
                self._skipped(slot, before)
                return
            offset = slot.begin(t, n)
        except ClientError as error:
            self._reject(slot, error)
            return
        if offset is None:
            self._reply(slot, self._finish(slot))
        else:
            slot.payload, slot.start = payload, start
            self._batcher.add(slot, offset)

    def _miss(self, slot: Slot, t: int | None, n: int) -> None:
        before = slot.next
        try:
            reply = slot.miss(t, n)
        except ClientError as error:
            self._reject(slot, error)
            return
        self.stats.messages += 1
        self.stats.samples += slot.next - before
        self._reply(slot, reply)

    def _skipped(self, slot: Slot, before: int) -> None:
        """Count and answer a message without an update."""
        stats = self.stats
        stats.messages += 1
        stats.samples += slot.next - before
        try:
            slot.on_skipped()  # type: ignore[misc]  # there is one
        except Exception as raised:
            self._report(slot, raised)

    def _finish(self, slot: Slot) -> Reply:
        """Commit the message and count it."""
        before, stats = slot.next, self.stats
        reply = slot.finish()
        stats.messages += 1
        stats.samples += slot.next - before
        stats.updates += len(reply.updates)
        return reply

    def _reject(self, slot: Slot, error: SkipRnnServiceError) -> None:
        """Answer a message, begun or not, with an error; the stream is as the message found it."""
        if slot.payload is not None:
            slot.abort()
            slot.payload = None
            self._batcher.drop(slot)
        self.stats.rejected[error.code] += 1
        try:
            slot.on_error(error)
        except Exception as raised:
            self._report(slot, raised)

    def _reply(self, slot: Slot, reply: Reply) -> None:
        try:
            slot.on_reply(reply)
        except Exception as raised:
            self._report(slot, raised)

    def _report(self, slot: Slot, raised: Exception) -> None:
        """One stream's callback that raises must not cost the other streams of the batch their answers."""
        message = f"model {self.model!r}, stream {slot.id!r}: a callback raised"
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": raised})

    def _answer(self, slot: Slot, answer: Reply | SkipRnnServiceError) -> None:
        """The updates of a message are done, or failed."""
        if isinstance(answer, Reply):
            slot.payload = None
            self._reply(slot, answer)
        else:
            self._reject(slot, answer)
        if slot.waiting:
            self._go_on(slot)

    def _go_on(self, slot: Slot) -> None:
        """Take what waits behind the message that was just answered, up to the next one with an update."""
        for _ in range(_ACTIONS_A_TURN):
            if not slot.waiting or slot.payload is not None:
                break
            self._act(slot, slot.waiting.popleft())
        else:
            if slot.waiting and slot.payload is None:
                asyncio.get_running_loop().call_soon(self._go_on, slot)
        if not slot.waiting:
            slot.waiting = None  # an empty deque is 600 bytes

    def _reset(self, slot: Slot) -> None:
        slot.reset()
        self._arena.release(slot.row)
        slot.row = INITIAL

    def _end(self, slot: Slot, on_ended: Callable[[], None]) -> None:
        self._close(slot)
        on_ended()

    def _close(self, slot: Slot) -> None:
        slot.open = False
        slot.payload = slot.waiting = None
        self.live -= 1
        self._batcher.release(slot)

    def _row_of(self, snapshot: Snapshot) -> int:
        row = self._arena.acquire()
        self._arena.write(row, np.frombuffer(snapshot.state, "<f4"))
        return row

    def _check_model(self, snapshot: Snapshot) -> None:
        ours = (self.model, self.version, self.runner.bundle.sha256)
        theirs = (snapshot.model, snapshot.version, snapshot.bundle_sha256)
        if ours != theirs:
            raise SnapshotError(f"stream {snapshot.stream_id!r}: expected one of {ours}, got {theirs}")


def _reserve(runner: StepRunner, streams: int) -> None:
    """Two rows a stream with a message in progress, and those that the current batch writes for closed ones."""
    rows = 2 * streams + runner.max_batch
    try:
        runner.reserve(rows)
    except MemoryError:
        size = rows * runner.bundle.info.initial_state.nbytes
        raise ModelError(
            f"max_streams: the states of {streams:,} streams take {size:,} bytes, which this machine does not have; "
            "lower max_streams"
        ) from None
