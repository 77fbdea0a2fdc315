"""The update step on ONNX Runtime: preallocated buffers, bound once for every batch size that is run.

    x [B, F], state [B, S]  →  new_state [B, S], update_prob [B] (Δũ), y [B, K]

Fill the first n rows of `x` and `state`, call `run(n)`, read the first n rows of the outputs. The step runs at the
next larger of about four sizes an octave: rows past n hold what was left there and are computed for nothing.

A row's result must not depend on the batch it is in: streams are batched as they happen to come. ONNX Runtime keeps
that promise on the CPU as long as it prepacks the weights, but nobody guarantees it, so `self_test` looks. Where it
fails every batch is run at one size, padded; `batching` says which it is.
"""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from skiprnn_export import Bundle
from skiprnn_service.errors import InferenceError
from skiprnn_service.runtime import CPU, INPUTS, OUTPUTS, Run, Runtime

_PADDED_BATCH = 32  # a lone stream pays for all of it, so not max_batch
_PROBES = 32  # rows that the self-test computes one by one, to compare with
_RISE = 0.02  # how much of a slower run enters the estimate; a faster one enters whole


class StepSession:
    """One bundle's update step. For one thread at a time; `fork` for another.

    Args:
        bundle: what to run.
        threads: of one step; two pay only from H = 256, B = 64 on.
        providers: of ONNX Runtime: one, then those that may stand in for it (`runtime.py`).
        max_batch: rows, at most.
        shares: a session of the same bundle whose weights to use; for `fork`.
        staged: keep the step's memory apart, as on a GPU; for tests.

    Attributes:
        x, state: inputs, float32 [max_batch, F] and [max_batch, S].
        x_bytes: the memory of `x`.
        new_state, update_prob, y: outputs, float32 [max_batch, S], [max_batch], [max_batch, K].
        max_batch: rows, at most; padding may lower it.
        batching: "exact", or "padded" (run at one size, exact there), or "inexact" (nothing helped).

    Raises:
        ModelError: a provider is missing or did not start, or ONNX Runtime refuses the graph.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        providers: Sequence[str] = CPU,
        max_batch: int = 256,
        shares: "StepSession | None" = None,
        staged: bool = False,
    ) -> None:
        info = bundle.info
        self.bundle, self.max_batch, self.batching = bundle, max_batch, "exact"
        self.x = np.zeros((max_batch, info.input_size), np.float32)
        self.x_bytes = self.x.data.cast("B")
        self.state = np.zeros((max_batch, info.state_size), np.float32)
        self.new_state = np.zeros_like(self.state)
        self.update_prob = np.zeros(max_batch, np.float32)
        self.y = np.zeros((max_batch, info.outputs), np.float32)
        self._runtime: Runtime = (
            shares._runtime
            if shares
            else Runtime(bundle.model, threads=threads, providers=providers, staged=staged)
        )
        self._use(_sizes(max_batch))

    def fork(self) -> "StepSession":
        """The same weights with buffers of their own: for another thread."""
        twin = StepSession(self.bundle, max_batch=self.max_batch, shares=self)
        twin.batching = self.batching
        if self.batching != "exact":
            twin._use([self.max_batch])
        return twin

    def run(self, n: int) -> None:
        """Step the first n rows, 1 ≤ n ≤ max_batch. Raises InferenceError; the outputs are then undefined."""
        plan = self._plans[n]
        started = perf_counter()
        try:
            plan.run()
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            raise InferenceError(f"update step of {self.bundle.info.name!r}, {n} rows: {error}") from error
        plan.learn(perf_counter() - started)

    def predicted_us(self, n: int) -> float:
        """Microseconds that `run(n)` is expected to take; 0 before the first."""
        return self._plans[n].seconds * 1e6

    def self_test(self) -> bool:
        """Is a row's result the same, bit for bit, alone and at every place of every batch size?

        If not, from now on all batches are run at one size, and `batching` says whether that helped.
        """
        generator = np.random.default_rng(0)
        probes = min(_PROBES, self.max_batch)
        x = generator.normal(size=(probes, self.x.shape[1])).astype(np.float32)
        state = generator.normal(size=(probes, self.state.shape[1])).astype(np.float32)
        if self._agrees(x, state):
            return True
        self.max_batch = min(_PADDED_BATCH, self.max_batch)
        self._use([self.max_batch])
        self.batching = "padded" if self._agrees(x, state) else "inexact"
        return False

    def _agrees(self, x: NDArray[np.float32], state: NDArray[np.float32]) -> bool:
        """Each row at the first place of the smallest batch, against all places of all sizes."""
        alone = [self._outputs(x[i : i + 1], state[i : i + 1]) for i in range(len(x))]
        expected = np.concatenate(alone)
        for size in {plan.size for plan in self._plans[1:]}:
            order = np.arange(size, 0, -1) % len(x)
            if not np.array_equal(self._outputs(x[order], state[order]), expected[order]):
                return False
        return True

    def _outputs(self, x: NDArray[np.float32], state: NDArray[np.float32]) -> NDArray[np.uint32]:
        """All outputs of rows, side by side, as bits."""
        n = len(x)
        self.x[:n], self.state[:n] = x, state
        self.run(n)
        columns = (self.new_state[:n], self.update_prob[:n, np.newaxis], self.y[:n])
        return np.concatenate(columns, axis=1).view(np.uint32)

    def _use(self, sizes: list[int]) -> None:
        """Run at these sizes from now on: n rows at the smallest that holds them."""
        arrays = {name: getattr(self, name) for name in (*INPUTS, *OUTPUTS)}
        plans = [_Plan(self._runtime.prepare(arrays, size), size) for size in sizes]
        self._plans = [next(plan for plan in plans if plan.size >= n) for n in range(sizes[-1] + 1)]


class _Plan:
    """How batches of up to `size` rows are run, and how long that takes."""

    __slots__ = ("run", "seconds", "size")

    def __init__(self, run: Run, size: int) -> None:
        self.run, self.size, self.seconds = run, size, 0.0

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
