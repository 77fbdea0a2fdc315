"""The offline reference: one sequence through a bundle with plain onnxruntime, one sample a call.

It shares nothing with the server but the graph and the gate. Every server equals it bit for bit, whatever the
batching and chunking.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skiprnn_export.bundle import Bundle
from skiprnn_export.gate import skip_table

if TYPE_CHECKING:
    import onnxruntime


class Unrolled(NamedTuple):
    """The M updates of a sequence, and the state after its last sample."""

    t: NDArray[np.int64]  # [M], indices of the samples that updated the network
    y: NDArray[np.float32]  # [M, K], outputs; each holds until the next update
    update_prob: NDArray[np.float32]  # [M], Δũ
    state: NDArray[np.float32]  # [S]
    wake: int  # index of the sample of the next update: T or later


class Update(NamedTuple):
    """One update: what went into the step and what came out."""

    t: int
    x: NDArray[np.float32]  # [F]
    state: NDArray[np.float32]  # [S], before
    new_state: NDArray[np.float32]  # [S]
    update_prob: np.float32
    y: NDArray[np.float32]  # [K]
    skip: int  # samples to skip after it


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
    missed: ArrayLike | None = None,
    session: "onnxruntime.InferenceSession | None" = None,
) -> Unrolled:
    """Run a sequence as one stream does: update, pass over the samples that the gate skips, update.

    Args:
        x: [T, F], raw units; taken as float32.
        missed: [T] of true and false: samples that the sensor missed; their values are not looked at. An update that
            falls on one of them waits for the next sample that was not missed. None: all samples are there.
        threshold: of the gate, in [0.5, 1]; None takes the bundle's.
        session: from `open_session(bundle.model)`, to unroll many sequences; None opens one.

    Raises:
        ValueError: x has another shape, a sample of an update is not finite, or threshold is out of range.
    """
    session = session or open_session(bundle.model)
    made = list(updates(bundle, x, threshold=threshold, missed=missed, session=session))
    wake = made[-1].t + 1 + made[-1].skip if made else 0
    present = _present(missed, len(np.asarray(x)))
    return Unrolled(
        t=np.array([update.t for update in made], np.int64),
        y=np.array([update.y for update in made], np.float32).reshape(-1, bundle.info.outputs),
        update_prob=np.array([update.update_prob for update in made], np.float32),
        state=made[-1].new_state if made else bundle.info.initial_state,
        wake=_next_present(present, wake),
    )


def updates(
    bundle: Bundle,
    x: ArrayLike,
    *,
    session: "onnxruntime.InferenceSession",
    threshold: float | None = None,
    missed: ArrayLike | None = None,
) -> Iterator[Update]:
    """The updates of `unroll`, one after another. Same arguments and errors."""
    info = bundle.info
    samples = _samples(x, info.input_size)
    table = skip_table(info.threshold if threshold is None else threshold, info.max_skip)
    present = _present(missed, len(samples))
    state, t = info.initial_state, _next_present(present, 0)
    while t < len(samples):
        if not np.isfinite(samples[t]).all():
            raise ValueError(f"x[{t}]: expected finite numbers, got {samples[t].tolist()!r}")
        feeds = {"x": samples[t : t + 1], "state": state[np.newaxis]}
        rows = session.run(["new_state", "update_prob", "y"], feeds)
        new_state, update_prob, y = (row[0] for row in rows)
        skip = int(table(update_prob))
        yield Update(t, samples[t], state, new_state, update_prob, y, skip)
        state, t = new_state, _next_present(present, t + 1 + skip)


def _present(missed: ArrayLike | None, count: int) -> NDArray[np.bool_]:
    present = np.ones(count, bool) if missed is None else ~np.asarray(missed, bool)
    if present.shape != (count,):
        raise ValueError(f"missed: expected one for each of {count} samples, got shape {present.shape}")
    return present


def _next_present(present: NDArray[np.bool_], t: int) -> int:
    """The first sample from t on that was not missed; T or later: there is none."""
    if t >= len(present) or present[t]:
        return t
    later = present[t:]
    return t + (int(later.argmax()) if later.any() else len(later))


def _samples(x: ArrayLike, input_size: int) -> NDArray[np.float32]:
    samples = np.ascontiguousarray(x, np.float32)
    if samples.ndim != 2 or samples.shape[1] != input_size:
        raise ValueError(f"x: expected [T, {input_size}], got shape {samples.shape}")
    return samples
