"""The update step on ONNX Runtime: preallocated buffers, bound once for every batch size that is run.

    x [B, F], state [B, S]  →  new_state [B, S], update_prob [B] (Δũ), y [B, K]

Fill the first n rows of `x` and `state`, call `run(n)`, read the first n rows of the outputs. The step runs at the
next larger of about four sizes an octave: rows past n hold what was left there and are computed for nothing.

A row's result must not depend on the batch it is in: streams are batched as they happen to come. ONNX Runtime keeps
that promise on the CPU as long as it prepacks the weights, but nobody guarantees it, so `self_test` looks. Where it
fails every batch is run at one size, padded; `batching` says which it is.
"""

import os
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skiprnn_export import Bundle
from skiprnn_service.errors import InferenceError, ModelError

CPU = ("CPUExecutionProvider",)
CUDA = ("CUDAExecutionProvider",)

_PADDED_BATCH = 32  # a lone stream pays for all of it, so not max_batch
_PROBES = 32  # rows that the self-test computes one by one, to compare with
_RISE = 0.02  # how much of a slower run enters the estimate; a faster one enters whole


class StepSession:
    """One bundle's update step. For one thread at a time; `fork` for another.

    Args:
        bundle: what to run.
        threads: of one step; two pay only from H = 256, B = 64 on.
        providers: of ONNX Runtime, in order of preference. All must be there: nothing falls back silently.
        max_batch: rows, at most.
        shares: a session of the same bundle whose weights to use; for `fork`.

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
    ) -> None:
        info = bundle.info
        self.bundle, self.max_batch, self.batching = bundle, max_batch, "exact"
        self.x = np.zeros((max_batch, info.input_size), np.float32)
        self.x_bytes = self.x.data.cast("B")
        self.state = np.zeros((max_batch, info.state_size), np.float32)
        self.new_state = np.zeros_like(self.state)
        self.update_prob = np.zeros(max_batch, np.float32)
        self.y = np.zeros((max_batch, info.outputs), np.float32)
        self._ort: Any = shares._ort if shares else _open(bundle.model, threads, providers)
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
            self._ort.run_with_iobinding(plan.binding)
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
        plans = [_Plan(self._bind(size), size) for size in sizes]
        self._plans = [next(plan for plan in plans if plan.size >= n) for n in range(sizes[-1] + 1)]

    def _bind(self, size: int) -> Any:
        """All sizes share the same memory: a binding is the first `size` rows of each buffer."""
        from onnxruntime import OrtValue

        binding = self._ort.io_binding()
        for name in ("x", "state"):
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(getattr(self, name)[:size]))
        for name in ("new_state", "update_prob", "y"):
            binding.bind_ortvalue_output(name, OrtValue.ortvalue_from_numpy(getattr(self, name)[:size]))
        return binding


class _Plan:
    """How batches of up to `size` rows are run, and how long that takes."""

    __slots__ = ("binding", "seconds", "size")

    def __init__(self, binding: Any, size: int) -> None:
        self.binding, self.size, self.seconds = binding, size, 0.0

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


def _open(model: bytes, threads: int, providers: Sequence[str]) -> Any:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default, and read at import
    import onnxruntime

    if set(CUDA) & set(providers):
        onnxruntime.preload_dlls()  # CUDA and cuDNN from their wheels: no installation of them is needed
    available = onnxruntime.get_available_providers()
    if not set(providers) <= set(available):
        raise ModelError(f"providers: expected some of {available}, got {list(providers)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(model, options, providers=list(providers))
    except Exception as error:  # as in run
        raise ModelError(f"ONNX Runtime refuses the graph: {error}") from error
    if providers[0] not in session.get_providers():
        raise ModelError(f"providers: expected {providers[0]}, got {session.get_providers()}")
    return session
