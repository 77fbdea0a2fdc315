"""One update step by way of a session's arena: states in, states out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.engine.arena import FIRST
from skiprnn_service.engine.step_runner import StepRunner

Floats = NDArray[np.float32]


class Stepped(NamedTuple):
    """What a step gave."""

    new_state: Floats  # [B, S]
    update_prob: Floats  # [B]
    y: Floats  # [B, K]


def step(runner: StepRunner, x: Floats, state: Floats) -> Stepped:
    """x [B, F], state [B, S]; each state is read from a row of its own and written to another."""
    n = len(x)
    runner.reserve(2 * n)
    source = FIRST + np.arange(n)
    runner.arena.memory.write(source, state)
    runner.x[:n], runner.source[:n], runner.target[:n] = x, source, source + n
    runner.run(n)
    return Stepped(runner.arena.memory.read(source + n), runner.update_prob[:n].copy(), runner.y[:n].copy())


def random_input(runner: StepRunner, n: int, *, seed: int = 0) -> tuple[Floats, Floats]:
    """x [n, F] and state [n, S]."""
    rng, info = np.random.default_rng(seed), runner.bundle.info
    sizes = (info.input_size, info.state_size)
    x, state = (rng.normal(size=(n, size)).astype(np.float32) for size in sizes)
    return x, state
