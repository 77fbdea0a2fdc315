"""Scores whole sequences together, each to the same bits as a live stream of it.

Sequences need not be aligned in time: a batch holds the next update of every sequence, whatever its index
("independent jump"). So every row of a batch is an update, and skipped samples cost nothing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skiprnn_export import skip_table
from skiprnn_service.engine.arena import FIRST, INITIAL
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import NonFiniteError, ShapeError, ThresholdError
from skiprnn_service.scoring.formats.base import Score as Score

_Skips = Callable[[NDArray[np.float32]], NDArray[np.int64]]  # Δũ [B] → samples to skip [B]


def score(
    runner: StepRunner,
    sequences: Sequence[ArrayLike],
    *,
    threshold: float | None = None,
    every_sample: bool = False,
    first: int = 0,
    check: Callable[[], None] = lambda: None,
) -> list[Score]:
    """Score sequences. Blocking: call it on a thread of its own, with a runner of its own (`StepRunner.fork`).

    Args:
        sequences: each [T_i, F], T_i ≥ 1, raw units; taken as float32.
        threshold: of the gate, in [0.5, 1]; None is the bundle's.
        every_sample: update at every sample, whatever the gate says: what skipping is compared with.
        first: number of the first sequence, for error messages.
        check: called before each update step; ends the work by what it raises.

    Raises:
        ShapeError: a sequence is empty or has another shape; the message says which.
        NonFiniteError: NaN or infinity in an update, or a sample so large that it makes NaN.
        ThresholdError: threshold is out of range, or there is one where every sample updates.
        InferenceError: the update step raised.
    """
    skips = _skips(runner, threshold, every_sample=every_sample)
    if not len(sequences):
        return []
    samples = [_samples(i, values, runner.x.shape[1]) for i, values in enumerate(sequences, first)]
    lengths = np.array([len(values) for values in samples])
    starts = lengths.cumsum() - lengths
    return _score(runner, skips, np.concatenate(samples), starts, lengths, first=first, check=check)


def score_padded(
    runner: StepRunner,
    x: NDArray[np.float32],
    lengths: NDArray[np.int64] | None = None,
    *,
    threshold: float | None = None,
    check: Callable[[], None] = lambda: None,
) -> list[Score]:
    """Score sequences of one array, without copying it. Blocking, like `score`; its errors.

    Args:
        x: [N, T, F], raw units.
        lengths: [N], samples of each sequence, 1 to T; later samples are ignored. None: all are T long.
    """
    skips, features = _skips(runner, threshold), runner.x.shape[1]
    if x.ndim != 3 or x.shape[2] != features or not x.shape[0] or not x.shape[1]:
        raise ShapeError(f"x: expected [N, T, {features}] with N ≥ 1 and T ≥ 1, got shape {list(x.shape)}")
    N, T, _ = x.shape
    lengths = np.full(N, T) if lengths is None else lengths
    if lengths.shape not in ((N,), (N, 1)) or lengths.min() < 1 or lengths.max() > T:
        raise ShapeError(f"lengths: expected [{N}] whole numbers from 1 to {T}, got {str(lengths)[:100]}")
    # Aligned, or every `take` would copy all of it: tensors begin anywhere in a request's body.
    flat = np.require(x, np.float32, ["C_CONTIGUOUS", "ALIGNED"]).reshape(N * T, features)
    lengths = lengths.reshape(N).astype(np.int64)
    return _score(runner, skips, flat, np.arange(N) * T, lengths, check=check)


def _score(
    runner: StepRunner,
    skips: _Skips,
    flat: NDArray[np.float32],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    first: int = 0,
    check: Callable[[], None],
) -> list[Score]:
    """Score sequences that lie in `flat` [all samples, F], each from its `starts` on.

    The longest go first, and one that ends makes room for the next: only the last few batches are not full.
    """
    runner.reserve(len(lengths))
    own = FIRST + np.arange(len(lengths))  # rows of the arena
    source = np.full(len(lengths), INITIAL)
    wake = np.zeros(len(lengths), np.int64)
    rounds: list[_Round] = []
    active = np.argsort(-lengths, kind="stable")  # with updates left; the first are the next batch
    while len(active):
        check()
        now, later = active[: runner.max_batch], active[runner.max_batch :]
        n = len(now)
        flat.take(starts[now] + wake[now], axis=0, out=runner.x[:n], mode="clip")
        runner.source[:n], runner.target[:n] = source[now], own[now]
        _step(runner, now + first, wake[now])
        rounds.append(_Round(now, wake[now], runner.y[:n].copy()))
        source[now] = own[now]
        wake[now] += 1 + skips(runner.update_prob[:n])
        active = np.concatenate([now[wake[now] < lengths[now]], later])
    return _collect(rounds, lengths, wake)


class _Round(NamedTuple):
    """One batch: its sequences, the index of each update, and its output."""

    sequence: NDArray[np.int64]  # [B]
    t: NDArray[np.int64]  # [B]
    y: NDArray[np.float32]  # [B, K]


def _skips(runner: StepRunner, threshold: float | None, *, every_sample: bool = False) -> _Skips:
    info = runner.bundle.info
    if every_sample:
        if threshold is not None:
            raise ThresholdError(f"threshold: expected none where every sample updates, got {threshold}")
        return _no_skips
    try:
        return skip_table(info.threshold if threshold is None else threshold, info.max_skip)
    except ValueError as error:
        raise ThresholdError(str(error)) from error


def _no_skips(update_prob: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.zeros(update_prob.shape, np.int64)


def _samples(i: int, values: ArrayLike, features: int) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore"):  # rejected below if it is in an update
            samples = np.asarray(values, np.float32)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"sequence {i}: expected numbers [T, {features}]: {error}") from error
    if samples.ndim != 2 or samples.shape[1] != features or len(samples) == 0:
        raise ShapeError(f"sequence {i}: expected [T, {features}] with T ≥ 1, got shape {samples.shape}")
    return samples


def _step(runner: StepRunner, sequence: NDArray[np.int64], t: NDArray[np.int64]) -> None:
    """Step what was filled in, which must be finite before and after."""
    n = len(sequence)
    good = np.isfinite(runner.x[:n]).all(axis=1)
    if not good.all():
        bad = good.argmin()
        raise NonFiniteError(f"sequence {sequence[bad]}, sample {t[bad]}: expected finite numbers")
    runner.run(n)
    good = np.isfinite(runner.update_prob[:n])
    if not good.all():
        bad = good.argmin()
        raise NonFiniteError(f"sequence {sequence[bad]}, sample {t[bad]}: too large for the network's state")


def _collect(rounds: list[_Round], lengths: NDArray[np.int64], wake: NDArray[np.int64]) -> list[Score]:
    """Rounds hold each sequence's updates in order: a stable sort brings them together."""
    sequence, t, y = (np.concatenate(column) for column in zip(*rounds, strict=True))
    order = sequence.argsort(kind="stable")
    ends = np.bincount(sequence).cumsum()[:-1]
    columns = np.split(t[order], ends), np.split(y[order], ends)
    return [Score(*fields) for fields in zip(lengths.tolist(), *columns, wake.tolist(), strict=True)]
