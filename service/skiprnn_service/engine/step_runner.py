"""The update step on ONNX Runtime: preallocated buffers, bound once for every batch size that is run.

    x [B, F], source [B], target [B]  →  update_prob [B] (Δũ), y [B, K]

States are rows of the runner's arena: row source[i] is stepped with x[i], and row target[i] gets the new state. A row
may be both, but the target of one only. Fill the first n of `x`, `source` and `target`, call `run(n)`, read the first
n of the outputs. The step runs at the next larger of about four sizes an octave: the rows past n are computed into a
row that is not used.

A row's result must not depend on its batch: streams are batched as they arrive. On ONNX Runtime's CPU provider this
holds as long as it prepacks the weights, but it is not guaranteed, so `self_test` checks it. Where the test fails,
every batch is run at one size, padded; `batching` is then "padded" or "inexact".
"""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from skiprnn_export import Bundle
from skiprnn_service.engine.arena import FIRST, INITIAL, SCRATCH, Arena
from skiprnn_service.engine.onnx_runtime import CPU, Arrays, Run, Runtime
from skiprnn_service.engine.step_graph import SOURCE, TARGET, UPDATE_PROB, X, Y
from skiprnn_service.errors import InferenceError

_PADDED_BATCH = 32  # a lone stream costs all of it, so not max_batch
_PROBES = 32  # rows that the self-test computes one by one, to compare with
_RISE = 0.02  # how much of a slower run enters the estimate; a faster one enters whole


class StepRunner:
    """One bundle's update step. For one thread at a time; `fork` for another.

    Args:
        bundle: what to run.
        threads: of one step; two pay only from H = 256, B = 64 on.
        providers: of ONNX Runtime: one, then those that may stand in for it (`runtime.py`).
        max_batch: rows, at most.
        shares: a runner of the same bundle whose weights to use; for `fork`.
        apart: use memory apart for the step, as on a GPU; for tests.

    Attributes:
        x: samples, float32 [max_batch, F], and `x_bytes`, their memory.
        source, target: rows of the arena, int64 [max_batch].
        update_prob, y: outputs, float32 [max_batch] and [max_batch, K].
        arena: rows of states; `reserve` makes room.
        max_batch: rows, at most; padding may lower it.
        batching: "exact", or "padded" (run at one size, exact there), or "inexact" (nothing helped).

    Raises:
        ModelError: a provider is missing or did not start, or ONNX Runtime rejects the graph.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        providers: Sequence[str] = CPU,
        max_batch: int = 256,
        shares: "StepRunner | None" = None,
        apart: bool = False,
    ) -> None:
        info = bundle.info
        self.bundle, self.max_batch, self.batching = bundle, max_batch, "exact"
        self.x = np.zeros((max_batch, info.input_size), np.float32)
        self.x_bytes = self.x.data.cast("B")
        self.source = np.full(max_batch, INITIAL, np.int64)
        self.target = np.full(max_batch, SCRATCH, np.int64)
        self.update_prob = np.zeros(max_batch, np.float32)
        self.y = np.zeros((max_batch, info.outputs), np.float32)
        self._runtime: Runtime = (
            shares._runtime
            if shares
            else Runtime(
                bundle.model, state_size=info.state_size, threads=threads, providers=providers, apart=apart
            )
        )
        self._sizes = _sizes(max_batch)
        self._arrays: Arrays = {
            X: self.x,
            SOURCE: self.source,
            TARGET: self.target[:, np.newaxis],
            UPDATE_PROB: self.update_prob,
            Y: self.y,
        }
        self._make_arena(FIRST)

    def fork(self) -> "StepRunner":
        """The same weights with buffers and an arena of their own: for another thread."""
        twin = StepRunner(self.bundle, max_batch=self.max_batch, shares=self)
        if self.batching != "exact":
            twin.batching = self.batching
            twin._use(self._sizes)
        return twin

    def reserve(self, rows: int) -> None:
        """At least this many rows from FIRST on. A smaller arena is replaced, and what it holds is lost."""
        if self.arena.size < FIRST + rows:
            self._make_arena(FIRST + rows)

    def run(self, n: int) -> None:
        """Step the first n rows, 1 ≤ n ≤ max_batch. Raises InferenceError; the outputs are then undefined."""
        plan = self._plans[n]
        if n < plan.size:
            self.source[n : plan.size], self.target[n : plan.size] = INITIAL, SCRATCH
        started = perf_counter()
        try:
            if plan.run is None:
                plan.run = self._runtime.prepare(self._arrays, self.arena.memory, plan.size)
            plan.run()
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            raise InferenceError(f"update step of {self.bundle.info.name!r}, {n} rows: {error}") from error
        plan.learn(perf_counter() - started)

    def predicted_us(self, n: int) -> float:
        """Microseconds that `run(n)` is expected to take; 0 before the first."""
        return self._plans[n].seconds * 1e6

    def self_test(self) -> bool:
        """Is a row's result the same, bit for bit, alone and at every place of every batch size?

        Before anything else uses the arena. If not, from now on all batches are run at one size, and `batching` is
        "padded" if that helped.
        """
        generator = np.random.default_rng(0)
        probes = min(_PROBES, self.max_batch)
        x = generator.normal(size=(probes, self.x.shape[1])).astype(np.float32)
        state = generator.normal(size=(probes, self.bundle.info.state_size)).astype(np.float32)
        self.reserve(probes + self.max_batch)
        self.arena.memory.write(FIRST + np.arange(probes), state)
        exact = self._agrees(x)
        if not exact:
            self.max_batch = min(_PADDED_BATCH, self.max_batch)
            self._use([self.max_batch])
            self.batching = "padded" if self._agrees(x) else "inexact"
        return exact

    def _agrees(self, x: NDArray[np.float32]) -> bool:
        """Each row at the first place of the smallest batch, against all places of all sizes."""
        alone = [self._outputs(x, np.array([i])) for i in range(len(x))]
        expected = np.concatenate(alone)
        for size in {plan.size for plan in self._plans[1:]}:
            order = np.arange(size, 0, -1) % len(x)
            if not np.array_equal(self._outputs(x, order), expected[order]):
                return False
        return True

    def _outputs(self, x: NDArray[np.float32], probes: NDArray[np.int64]) -> NDArray[np.uint32]:
        """New state, Δũ and y of some probes, side by side, as bits."""
        n, target = len(probes), FIRST + len(x) + np.arange(len(probes))
        self.x[:n], self.source[:n], self.target[:n] = x[probes], FIRST + probes, target
        self.run(n)
        columns = (self.arena.memory.read(target), self.update_prob[:n, np.newaxis], self.y[:n])
        return np.concatenate(columns, axis=1).view(np.uint32)

    def _make_arena(self, size: int) -> None:
        initial_state = self.bundle.info.initial_state
        self.arena = Arena(self._runtime.memory(size), size, initial_state=initial_state)
        self._use(self._sizes)

    def _use(self, sizes: list[int]) -> None:
        """Run at these sizes from now on: n rows at the smallest that holds them."""
        self._sizes, plans = sizes, [_Plan(size) for size in sizes]
        self._plans = [next(plan for plan in plans if plan.size >= n) for n in range(sizes[-1] + 1)]


class _Plan:
    """How batches of up to `size` rows are run, once the first was, and how long that takes."""

    __slots__ = ("run", "seconds", "size")

    def __init__(self, size: int) -> None:
        self.run: Run | None = None
        self.size, self.seconds = size, 0.0

    def learn(self, seconds: float) -> None:
        """A run is slow for many reasons (cold memory, a busy machine), but never fast by accident."""
        if seconds < self.seconds or not self.seconds:
            self.seconds = seconds
        else:
            self.seconds += _RISE * (seconds - self.seconds)


def _sizes(max_batch: int) -> list[int]:
    """1 to 8, then four an octave (10, 12, 14, 16, 20, …), up to and with max_batch: at most a quarter is wasted."""
    sizes, step = [], 1
    size = 1
    while size < max_batch:
        sizes.append(size)
        if size >= 8 * step:
            step *= 2
        size += step
    return [*sizes, max_batch]
