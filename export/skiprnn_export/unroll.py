"""The offline answer: one sequence through a bundle with plain onnxruntime, one sample a call.

It shares nothing with the server but the graph and the gate. Every server equals it bit for bit, however it
batches and in however many pieces it was sent the samples.
"""

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skiprnn_export.bundle import Bundle
from skiprnn_export.gate import skip_table

if TYPE_CHECKING:
    import onnxruntime


class Unrolled(NamedTuple):
    """The M updates of a sequence, and where it stands after its last sample."""

    t: NDArray[np.int64]  # [M], indices of the samples that were read
    y: NDArray[np.float32]  # [M, K], outputs; each holds until the next update
    update_prob: NDArray[np.float32]  # [M], Δũ
    state: NDArray[np.float32]  # [S]
    wake: int  # index of the next sample that would be read: T or later


def open_session(model: bytes) -> "onnxruntime.InferenceSession":
    """A CPU session on the bytes of a model, as exactness wants it: one thread, in order, weights prepacked."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default, and read at import
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def unroll(
    bundle: Bundle,
    x: ArrayLike,
    *,
    threshold: float | None = None,
    session: "onnxruntime.InferenceSession | None" = None,
) -> Unrolled:
    """Read a sequence as one stream does: step, jump over what the gate skips, step.

    Args:
        x: [T, F], raw units; taken as float32.
        threshold: of the gate, in [0.5, 1]; None takes the bundle's.
        session: from `open_session(bundle.model)`, to unroll many sequences; None opens one.

    Raises:
        ValueError: x has another shape, a sample that is read is not finite, or threshold is out of range.
    """
    info = bundle.info
    samples = _samples(x, info.input_size)
    table = skip_table(info.threshold if threshold is None else threshold, info.max_skip)
    session = session or open_session(bundle.model)
    state, t, updates = info.initial_state[np.newaxis], 0, []
    while t < len(samples):
        if not np.isfinite(samples[t]).all():
            raise ValueError(f"x[{t}]: expected finite numbers, got {samples[t].tolist()!r}")
        feeds = {"x": samples[t : t + 1], "state": state}
        state, update_prob, y = session.run(["new_state", "update_prob", "y"], feeds)
        updates.append((t, y[0], update_prob[0]))
        t += 1 + int(table(update_prob[0]))
    return _collect(updates, info.outputs, state=state[0], wake=t)


def _samples(x: ArrayLike, input_size: int) -> NDArray[np.float32]:
    samples = np.ascontiguousarray(x, np.float32)
    if samples.ndim != 2 or samples.shape[1] != input_size:
        raise ValueError(f"x: expected [T, {input_size}], got shape {samples.shape}")
    return samples


def _collect(
    updates: list[tuple[int, NDArray[np.float32], np.float32]],
    outputs: int,
    *,
    state: NDArray[np.float32],
    wake: int,
) -> Unrolled:
    return Unrolled(
        t=np.array([t for t, _, _ in updates], np.int64),
        y=np.array([y for _, y, _ in updates], np.float32).reshape(-1, outputs),
        update_prob=np.array([update_prob for _, _, update_prob in updates], np.float32),
        state=state,
        wake=wake,
    )
