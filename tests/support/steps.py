"""One update step by way of a session's arena: states in, states out."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.engine.arena import FIRST
from skiprnn_service.engine.step_runner import StepSession

Floats = NDArray[np.float32]


class Stepped(NamedTuple):
    """What a step gave."""

    new_state: Floats  # [B, S]
    update_prob: Floats  # [B]
    y: Floats  # [B, K]


def step(session: StepSession, x: Floats, state: Floats) -> Stepped:
    """x [B, F], state [B, S]; each state is read from a row of its own and written to another."""
    n = len(x)
    session.reserve(2 * n)
    source = FIRST + np.arange(n)
    session.arena.memory.write(source, state)
    session.x[:n], session.source[:n], session.target[:n] = x, source, source + n
    session.run(n)
    return Stepped(
        session.arena.memory.read(source + n), session.update_prob[:n].copy(), session.y[:n].copy()
    )


def random_input(session: StepSession, n: int, *, seed: int = 0) -> tuple[Floats, Floats]:
    """x [n, F] and state [n, S]."""
    rng, info = np.random.default_rng(seed), session.bundle.info
    sizes = (info.input_size, info.state_size)
    x, state = (rng.normal(size=(n, size)).astype(np.float32) for size in sizes)
    return x, state
