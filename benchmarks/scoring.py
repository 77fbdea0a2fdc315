"""Whole sequences: how fast they are scored, and what streams feel of it.

    python -m benchmarks.scoring                      both tables
    python -m benchmarks.scoring speed
        [256, 1000, 32], H = 128, about 10 % updates, one thread, against
            torch nn.LSTM over all samples (it skips none)
            a masked step graph: all sequences at every time step, as a loop would do it
    python -m benchmarks.scoring latency [STREAMS]
        1,000 streams × 20 messages a second on one core, with large scoring requests one after another on that core,
        and without; the load is on another core

On a machine that does other work too, `chrt -r 5` before the command keeps that from being measured.
Ratios within one run; every figure is the median of rounds that take turns.
"""

import io
import os
import statistics
import struct
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import BUILD, Load, Server, describe, free_port, load, running
from benchmarks.models import FEATURES, make, rate
from skiprnn_export import Bundle, open_session, skip_table
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.scoring.score import score_padded

N, T, HIDDEN = 256, 1000, 128
ROUNDS = 9

STREAMS, HERTZ, SECONDS = 1000, 20, 4.0

Samples = NDArray[np.float32]


def speed() -> str:
    """The table of throughput."""
    torch.set_num_threads(1)
    bundle = make(BUILD / "models", "scoring", hidden=HIDDEN, skipped=0.912)
    x = np.random.default_rng(0).standard_normal((N, T, FEATURES), np.float32)
    runner, plain = StepRunner(bundle), open_session(bundle.model)
    lstm = torch.nn.LSTM(FEATURES, HIDDEN, batch_first=True).eval()
    as_torch = torch.from_numpy(x)

    def dense() -> None:
        with torch.inference_mode():
            lstm(as_torch)

    seconds = _in_turns(
        {
            "skiprnn": lambda: score_padded(runner, x),
            "torch nn.LSTM, all samples": dense,
            "masked step graph": lambda: masked(bundle, plain, x),
        }
    )
    ours = seconds["skiprnn"]
    updates = sum(len(one.t) for one in score_padded(runner, x)) / (N * T)
    rows = [
        f"| {name} | {1000 * s:.0f} | {N * T / s / 1e6:.2f} | {s / ours:.1f} |" for name, s in seconds.items()
    ]
    head = f"[{N}, {T}, {FEATURES}], LSTM, H = {HIDDEN}, {updates:.1%} updates, one thread\n\n"
    return head + "| | ms | M samples/s | time ÷ ours |\n|---|---|---|---|\n" + "\n".join(rows)


def masked(bundle: Bundle, runner: Any, x: Samples) -> Samples:
    """The plain way: step all sequences at every time step, keep what the gate lets through. Returns final y.

    session: of ONNX Runtime, on the bundle's step.
    """
    table = skip_table(bundle.info.threshold, bundle.info.max_skip)
    state = np.tile(bundle.info.initial_state, (N, 1))
    left, y = np.zeros(N, np.int64), np.empty((N, bundle.info.outputs), np.float32)
    for t in range(T):
        new_state, update_prob, new_y = runner.run(
            ["new_state", "update_prob", "y"], {"x": x[:, t], "state": state}
        )
        due = left == 0
        np.copyto(state, new_state, where=due[:, np.newaxis])
        np.copyto(y, new_y, where=due[:, np.newaxis])
        left = np.where(due, table(update_prob), left - 1)
    return y


def latency(streams: int = STREAMS) -> str:
    """The table of latencies."""
    folder = BUILD / "scoring-models"
    bundle = make(folder, "m", hidden=HIDDEN, skipped=0.5)
    messages = [struct.pack("<Q", 2**64 - 1) + x.tobytes() for x in _samples(64)]
    port = free_port()
    command = (
        str(Path(sys.executable).with_name("skiprnn")),
        "serve",
        "--models-dir",
        str(folder),
        "--port",
        str(port),
    )
    found: dict[str, list[Load]] = {"without": [], "with": []}
    taken: list[float] = []
    with running("skiprnn", command, port, ready="/v2/health/ready") as server:
        for _ in range(ROUNDS):
            found["without"].append(_streams(server, messages, streams))
            with _scoring(port) as done:
                found["with"].append(_streams(server, messages, streams))
            taken.append(max(done))  # the others ran while no stream was live
    p50, p99 = _median(found, "p50_us"), _median(found, "p99_us")
    rows = [f"| {name} scoring | {p50[name]:.0f} | {p99[name]:.0f} |" for name in found]
    load_of = f"{streams:,} streams × {HERTZ} messages/s, H = {HIDDEN}, {rate(bundle):.0%} updates"
    head = f"{load_of}; server and scoring on one core\n\n"
    ratio, body_mb = p99["with"] / p99["without"], N * T * FEATURES * 4 / 1e6
    tail = f"\n\np99 with ÷ without: {ratio:.2f}; a request of {body_mb:.0f} MB took {statistics.median(taken):.1f} s"
    return head + "| | p50 µs | p99 µs |\n|---|---|---|\n" + "\n".join(rows) + tail


def _median(found: dict[str, list[Load]], figure: str) -> dict[str, float]:
    return {name: statistics.median(getattr(one, figure) for one in ones) for name, ones in found.items()}


def _streams(server: Server, messages: list[bytes], streams: int) -> Load:
    path = "/v1/models/m/stream"
    options = {"connections": streams, "rate": streams * HERTZ, "seconds": SECONDS}
    return load(server, messages, path=path, protocol="skiprnn.f32", **options)


@contextmanager
def _scoring(port: int) -> Iterator[list[float]]:
    """Large requests one after another while the block runs; the list grows by the time of each."""
    body = io.BytesIO()
    np.save(body, np.random.default_rng(1).standard_normal((N, T, FEATURES), np.float32))
    done: list[float] = []
    over = threading.Event()

    def ask() -> None:
        os.sched_setaffinity(0, {1})  # beside the load generator, which must not feel it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        while not over.is_set():
            started = time.perf_counter()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/models/m/score?updates=false", body.getvalue()
            )
            request.add_header("Content-Type", "application/x-npy")
            with urllib.request.urlopen(request, timeout=300) as answer:
                answer.read()
            done.append(time.perf_counter() - started)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(1)
    try:
        yield done
    finally:
        over.set()
        thread.join()
    if not done:
        raise RuntimeError("no request was scored while streams ran")


def _samples(count: int) -> Samples:
    return np.random.default_rng(2).standard_normal((count, FEATURES), np.float32)


def _in_turns(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each; a round calls all of them, so that a busy moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(ROUNDS + 1):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if number:  # the first round warms up
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in times.items()}


if __name__ == "__main__":
    what, *rest = sys.argv[1:] or ("all",)
    print(describe())
    if what in ("all", "speed"):
        print(f"\nspeed: {speed()}")
    if what in ("all", "latency"):
        print(f"\nlatency: {latency(*map(int, rest))}")
