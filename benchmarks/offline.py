"""Floors without a server: ONNX Runtime called in a loop, and the matrix product inside it.

Run in a process of its own, pinned to one core: `python -m benchmarks.offline step MODEL 64`.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from skiprnn_export import Bundle, open_session, read


def per_second(work: Callable[[], object], *, seconds: float = 2.0) -> float:
    """Calls a second, after a warm-up of a tenth of the time."""
    _repeat(work, seconds / 10)
    return _repeat(work, seconds)


def _repeat(work: Callable[[], object], seconds: float) -> float:
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        work()
        calls += 1
    return calls / elapsed


def step(bundle: Bundle, batch: int) -> float:
    """Updates a second of a bare loop around ONNX Runtime: fixed inputs, nothing gathered, nothing scattered."""
    session, info = open_session(bundle.model), bundle.info
    x = np.random.default_rng(0).standard_normal((batch, info.input_size), np.float32)
    feeds = {"x": x, "state": np.tile(info.initial_state, (batch, 1))}
    return batch * per_second(lambda: session.run(None, feeds))


def gemm(bundle: Bundle, batch: int) -> float:
    """Updates a second if one were nothing but its matrix products, in numpy's BLAS."""
    info = bundle.info
    gates = 4 if info.cell == "lstm" else 3
    a = np.random.default_rng(0).standard_normal((batch, info.input_size + info.hidden), np.float32)
    b = np.random.default_rng(1).standard_normal(
        (info.input_size + info.hidden, gates * info.hidden), np.float32
    )
    out = np.empty((batch, gates * info.hidden), np.float32)
    return batch * per_second(lambda: np.matmul(a, b, out=out))


if __name__ == "__main__":
    what, path, size = sys.argv[1:]
    print(json.dumps({"step": step, "gemm": gemm}[what](read(Path(path)), int(size))))
