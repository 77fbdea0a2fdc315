"""Long recordings with their targets → windows to train on, and windows to test on.

A live stream does not begin where an exercise begins, nor end where it ends: training windows start anywhere, and some
are two recordings joined, so that the network learns to change its mind.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from skiprnn.data.scale import mean_and_std
from skiprnn.data.types import Batch, Data, Signal

BATCHES = 50  # an epoch

Augment = Callable[[Signal, Generator], Signal]


class Recording(NamedTuple):
    """Samples x [T, F] and the target of each: its class, y [T], or its values or labels, y [T, K].

    `weights` [T] is 0 where a sample has no target, else 1; None: all have one.
    """

    x: Signal
    y: NDArray[Any]
    weights: Signal | None = None

    def part(self, start: int, stop: int) -> "Recording":
        """Some of the samples."""
        weights = None if self.weights is None else self.weights[start:stop]
        return Recording(self.x[start:stop], self.y[start:stop], weights)


@dataclasses.dataclass(frozen=True)
class Windows:
    """How training windows are cut.

    Attributes:
        length: samples of a window.
        joined: share of the windows that are made of two recordings.
        tempo: standard deviation of the logarithm of a window's tempo.
        warm_up: samples after a beginning over which the weight of an answer grows from nothing to one.
    """

    length: int = 256
    joined: float = 0.0
    tempo: float = 0.0
    warm_up: int = 64

    def batch(self, recordings: Sequence[Recording], size: int, augment: Augment, rng: Generator) -> Batch:
        """`size` windows drawn at random, the classes alike."""
        windows = [self._window(recordings, rng) for _ in range(size)]
        x, y, weights = (np.stack(part) for part in zip(*windows, strict=True))
        return Batch(
            torch.from_numpy(augment(x, rng)), torch.from_numpy(y), weights=torch.from_numpy(weights)
        )

    def _window(self, recordings: Sequence[Recording], rng: Generator) -> tuple[Signal, NDArray[Any], Signal]:
        if rng.random() >= self.joined:
            return self._excerpt(recordings, self.length, rng)
        first = int(rng.integers(self.length // 4, 3 * self.length // 4))
        excerpts = [self._excerpt(recordings, length, rng) for length in (first, self.length - first)]
        x, y, weights = (np.concatenate(part) for part in zip(*excerpts, strict=True))
        return x, y, weights

    def _excerpt(
        self, recordings: Sequence[Recording], length: int, rng: Generator
    ) -> tuple[Signal, NDArray[Any], Signal]:
        """`length` samples of one recording, from anywhere in it, at another tempo."""
        recording = recordings[int(rng.integers(len(recordings)))]
        tempo = float(np.exp(self.tempo * rng.standard_normal()))
        last = len(recording.x) - 1
        start = rng.uniform(0, max(0.0, last - length * tempo))
        at = np.minimum(start + tempo * np.arange(length), last)
        before = np.minimum(at.astype(np.int64), last - 1)
        share = (at - before)[:, np.newaxis].astype(np.float32)
        x = recording.x[before] * (1 - share) + recording.x[before + 1] * share
        nearest = np.rint(at).astype(np.int64)
        weights = growing(length, self.warm_up)
        if recording.weights is not None:
            weights = weights * recording.weights[nearest]
        return x, recording.y[nearest], weights


def growing(length: int, warm_up: int) -> Signal:
    """Weights [length] of the answers after a beginning: from nothing to one over `warm_up` samples."""
    weights: Signal = np.minimum(1.0, np.arange(length, dtype=np.float32) / max(1, warm_up))
    return weights


def windowed(
    network: Mapping[str, Any],
    train: Sequence[Recording],
    test: Sequence[Recording],
    windows: Windows,
    size: int,
    *,
    augment: Augment,
    length: int,
    stride: int,
    validation: Sequence[Recording] = (),
    per_step: bool = False,
) -> Data:
    """Data of recordings: training windows drawn at random, and every test window.

    Args:
        network: as for `Data`.
        size: windows of a batch.
        augment: changes training windows [B, T, F].
        length, stride: samples of a test window, and from one to the next.
        validation: recordings to select the network by; empty: the test's.
        per_step: every sample of a test window counts, not only its last one.

    Raises:
        ValueError: no test recording has `length` samples.
    """
    mean, std = mean_and_std([recording.x for recording in train])
    warm_up = windows.warm_up if per_step else None
    tested = every_window(test, length, stride, size, warm_up=warm_up)
    selected = every_window(validation, length, stride, size, warm_up=warm_up) if validation else tested
    return Data(
        network=network,
        epoch=epoch(train, windows, size, BATCHES, augment),
        batches=BATCHES,
        validation=selected,
        test=tested if validation else (),
        mean=mean,
        std=std,
        samples=[recording.x for recording in test[:8]],
        train_streams=[recording.x for recording in train],
        test_streams=[recording.x for recording in test],
        warm_up=windows.warm_up,
    )


def every_window(
    recordings: Sequence[Recording], length: int, stride: int, batch_size: int, *, warm_up: int | None = None
) -> list[Batch]:
    """All windows of a length, in order; the target of a window is that of its last sample.

    Args:
        warm_up: every sample has its own target, and weights grow over so many; None: the last one's counts.

    Raises:
        ValueError: no recording is that long.
    """
    all_windows = (
        recording.part(start, start + length)
        for recording in recordings
        for start in range(0, len(recording.x) - length + 1, stride)
    )
    cut = [window for window in all_windows if window.weights is None or window.weights[1:].any()]
    if not cut:
        longest = max((len(recording.x) for recording in recordings), default=0)
        raise ValueError(
            f"window: expected recordings of {length} samples or more, the longest has {longest}"
        )
    return [
        batch_of(cut[start : start + batch_size], warm_up=warm_up) for start in range(0, len(cut), batch_size)
    ]


def batch_of(recordings: Sequence[Recording], *, warm_up: int | None = None) -> Batch:
    """Recordings of one length as a batch; `warm_up` as in `every_window`."""
    x = torch.from_numpy(np.stack([recording.x for recording in recordings]))
    if warm_up is None:
        return Batch(x, torch.from_numpy(np.stack([recording.y[-1] for recording in recordings])))
    y = torch.from_numpy(np.stack([recording.y for recording in recordings]))
    weights = np.stack([_weights(recording, warm_up) for recording in recordings])
    return Batch(x, y, weights=torch.from_numpy(weights))


def _weights(recording: Recording, warm_up: int) -> Signal:
    weights = growing(len(recording.x), warm_up) if warm_up else np.ones(len(recording.x), np.float32)
    return weights if recording.weights is None else weights * recording.weights


def epoch(
    recordings: Sequence[Recording], windows: Windows, batch_size: int, batches: int, augment: Augment
) -> Callable[[Generator], Iterator[Batch]]:
    """`Data.epoch` of random windows."""

    def draw(rng: Generator) -> Iterator[Batch]:
        for _ in range(batches):
            yield windows.batch(recordings, batch_size, augment, rng)

    return draw
