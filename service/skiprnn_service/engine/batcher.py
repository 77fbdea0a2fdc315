"""The due samples of all streams of a model go through the update step together.

A batch is one due sample of each stream, oldest first, at most `max_batch` of them. It leaves at the end of a turn of
the event loop, or of two if the last batch held several: polling the sockets again costs less than another step.

    add → _flush: _gather, _place, step, _settle → answer, or due again

Streams with long messages therefore take turns with those that send single samples, and one turn is bounded work. A
batch that is predicted to be quick runs on the loop; any other runs on the worker thread, and what becomes due
meanwhile is the next batch. There is no task, future or queue for a sample.

Answers are given when all streams of a batch stand where they belong, because a callback may call the engine.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

from skiprnn_export import SkipTable
from skiprnn_service.engine.slot import Slot
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.engine.stream import Reply
from skiprnn_service.errors import InferenceError, NonFiniteError, SkipRnnServiceError
from skiprnn_service.stats import EngineStats

Answer = tuple[Slot, Reply | SkipRnnServiceError]

# Seconds that a due sample waits for the loop's turn to end. With thousands of sockets ready at once, libuv reads tens
# of thousands of messages in one turn.
_PATIENCE = 0.005

_log = logging.getLogger(__name__)


class Batcher:
    """Update steps for streams that are due.

    All but a long step happens on the event loop's thread.

    Args:
        runner: the update step, and the arena with the streams' states.
        table: of the model's own threshold.
        stats: where batches are counted.
        finish: commits a message whose updates are done; has no side effects on other streams.
        answer: gives a message its answer; may call the batcher.
        inline_step_below_us: a batch predicted to take less runs on the loop: there a hop to the thread costs more.
    """

    def __init__(
        self,
        runner: StepRunner,
        *,
        table: SkipTable,
        stats: EngineStats,
        finish: Callable[[Slot], Reply],
        answer: Callable[[Slot, Reply | SkipRnnServiceError], None],
        inline_step_below_us: float,
    ) -> None:
        self._runner, self._arena, self._table, self._stats = runner, runner.arena, table, stats
        self._finish, self._answer = finish, answer
        self._inline_step_below_us = inline_step_below_us
        self._sample_bytes, self._output_bytes = runner.x[0].nbytes, runner.y[0].nbytes
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="skiprnn-step")  # starts a thread when used
        self._due: list[Slot] = []  # in order of becoming due
        self._running: list[Slot] = []  # the batch in the update step
        self._started = 0.0  # perf_counter of that batch
        self._left_behind: list[int] = []  # rows that it writes for streams that closed
        self._busy = False  # a flush is scheduled or a batch is running
        self._scheduled = False  # the former
        self._crowded = False  # the latest batch held several streams

    def add(self, slot: Slot, offset: int) -> None:
        """The sample at `offset` of the stream's message is an update."""
        slot.offset, slot.due_at = offset, perf_counter()
        self._due.append(slot)
        if not self._busy:
            self._busy = True
            self._schedule(turns=2 if self._crowded else 1)
        elif self._scheduled and slot.due_at - self._due[0].due_at > _PATIENCE:
            self._flush()

    def release(self, slot: Slot) -> None:
        """A stream closed: its rows are free, one that a batch writes to as soon as it has."""
        self._arena.release(slot.row)
        if slot.ahead is not None and slot in self._running:
            self._left_behind.append(slot.ahead)
        else:
            self.drop(slot)

    def drop(self, slot: Slot) -> None:
        """A message failed: its updates are undone."""
        if slot.ahead is not None:
            self._arena.release(slot.ahead)
            slot.ahead = None

    def close(self) -> None:
        """Stop the worker thread, after the batch that it runs."""
        self._worker.shutdown()

    def _schedule(self, *, turns: int = 1) -> None:
        self._scheduled = True
        loop = asyncio.get_running_loop()
        if turns == 1:
            loop.call_soon(self._flush)
        else:
            loop.call_soon(loop.call_soon, self._flush)

    def _flush(self) -> None:
        """Start one batch of what is due: bounded work for one turn of the loop."""
        if not self._scheduled:  # the turn came late, and this was done already
            return
        self._scheduled = False
        limit = self._runner.max_batch
        taken, self._due = self._due[:limit], self._due[limit:]
        batch = self._gather([slot for slot in taken if slot.open])
        if not batch:
            self._next_turn()
            return
        n, self._running, self._started = len(batch), batch, perf_counter()
        self._crowded = n > 1
        self._stats.batch_size.observe(n)
        self._stats.queue_delay.observe(self._started - batch[0].due_at)
        self._place(batch)
        if self._runner.predicted_us(n) < self._inline_step_below_us:
            self._settle(self._step(n))
        else:
            self._worker.submit(self._work, n, asyncio.get_running_loop())

    def _gather(self, batch: list[Slot]) -> list[Slot]:
        """Put each stream's due sample into the runner. Returns the streams whose sample is finite."""
        size, n = self._sample_bytes, len(batch)
        samples = [
            slot.payload[(begin := slot.start + slot.offset * size) : begin + size]  # type: ignore[index]
            for slot in batch  # a due stream has a payload
        ]
        self._runner.x_bytes[: n * size] = b"".join(samples)
        if np.isfinite(self._runner.x[:n]).all():
            return batch
        return self._gather(self._reject_non_finite(batch))

    def _place(self, batch: list[Slot]) -> None:
        """Set the rows to read and to write: the later updates of a message stay in the row of its first."""
        source, target = [], []
        for slot in batch:
            row = slot.ahead
            source.append(slot.row if row is None else row)
            if row is None:
                row = slot.ahead = self._arena.acquire()
            target.append(row)
        self._runner.source[: len(batch)], self._runner.target[: len(batch)] = source, target

    def _reject_non_finite(self, batch: list[Slot]) -> list[Slot]:
        samples = self._runner.x[: len(batch)].copy()
        good = []
        for slot, sample in zip(batch, samples, strict=True):
            finite = np.isfinite(sample)
            if finite.all():
                good.append(slot)
            elif slot.open:
                feature = finite.argmin()
                got = f"expected a finite number, got {sample[feature]}"
                self._answer(slot, NonFiniteError(f"sample {slot.wake}, feature {feature}: {got}"))
        return [slot for slot in good if slot.open]

    def _step(self, n: int) -> InferenceError | None:
        try:
            self._runner.run(n)
        except InferenceError as error:
            return error
        return None

    def _work(self, n: int, loop: asyncio.AbstractEventLoop) -> None:
        """On the worker thread: the one hop of a batch."""
        loop.call_soon_threadsafe(self._settle, self._step(n))

    def _settle(self, error: InferenceError | None) -> None:
        """The update step is done: move the streams on, then answer."""
        self._stats.update_time.observe(perf_counter() - self._started)
        batch = self._running
        if error is None:
            answers = self._advance(*self._set_apart_unstable(batch))
        else:
            _log.error("%s", error)
            answers = [(slot, error) for slot in batch]
        self._running = []
        while self._left_behind:
            self._arena.release(self._left_behind.pop())
        for slot, answer in answers:
            if slot.open:
                self._answer(slot, answer)
        self._next_turn()

    def _advance(self, batch: list[Slot], answers: list[Answer]) -> list[Answer]:
        """Take the results: streams go to their next sample, or to the end of their message and its state."""
        runner, n, width = self._runner, len(batch), self._output_bytes
        update_prob = runner.update_prob[:n]
        skips: list[int] = self._table(update_prob).tolist()
        outputs, now = runner.y[:n].tobytes(), perf_counter()
        ys = [outputs[begin : begin + width] for begin in range(0, n * width, width)]
        for i, slot, skip, y in zip(range(n), batch, skips, ys, strict=True):
            if not slot.open:
                continue
            own = skip if slot.table is None else slot.table.one(float(update_prob[i]))
            offset = slot.advance(own, y)
            if offset is None:
                self._arena.release(slot.row)
                slot.row, slot.ahead = slot.ahead, None  # type: ignore[assignment]  # `_place` gave one
                answers.append((slot, self._finish(slot)))
            else:
                slot.offset, slot.due_at = offset, now
                self._due.append(slot)
        return answers

    def _set_apart_unstable(self, batch: list[Slot]) -> tuple[list[Slot], list[Answer]]:
        """Finite samples can be large enough to make a state NaN: reject them, and close the gaps in the results."""
        runner, n = self._runner, len(batch)
        finite = np.isfinite(runner.update_prob[:n])
        if finite.all():
            return batch, []
        error = NonFiniteError("a sample is too large: the network's state would no longer be finite")
        answers: list[Answer] = [(batch[i], error) for i in np.flatnonzero(~finite)]
        keep = np.flatnonzero(finite)
        for array in (runner.update_prob, runner.y):
            array[: len(keep)] = array[keep]
        return [batch[i] for i in keep], answers

    def _next_turn(self) -> None:
        """The batch is over: the next, or rest."""
        if self._due:
            self._schedule()
        else:
            self._busy = False
