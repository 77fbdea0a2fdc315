"""Whole sequences at once (skeleton: the public signatures)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skiprnn_service.session import StepSession


class Score(NamedTuple):
    """One sequence's M updates. `y[-1]` is its final output."""

    samples: int
    t: NDArray[np.int64]  # [M], indices of the samples that were read
    y: NDArray[np.float32]  # [M, K]


def score(
    session: StepSession, sequences: Sequence[ArrayLike], *, threshold: float | None = None
) -> list[Score]:
    """Score sequences of any lengths, each [T_i, F], T_i ≥ 1; blocking, for a thread of its own with `session.fork()`.

    Raises: ShapeError, NonFiniteError, ThresholdError, InferenceError.
    """
    raise NotImplementedError
