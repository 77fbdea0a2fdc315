"""A data set of a known size: what fetches sequences by their numbers → training epochs and batches to judge on."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import overload

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from skiprnn.tasks.task import Batch, Signal

Numbers = NDArray[np.int64]
Fetch = Callable[[Numbers], Batch]

_POOL = 20  # batches that are sorted by length among themselves


def shuffled(
    fetch: Fetch, numbers: Numbers, size: int, lengths: Numbers | None = None
) -> Callable[[Generator], Iterator[Batch]]:
    """An epoch: every sequence once, in random order; the last, smaller batch too.

    Args:
        numbers: of the sequences, as `fetch` takes them.
        lengths: of these sequences; batches are then made of sequences of similar lengths.
    """

    def epoch(rng: Generator) -> Iterator[Batch]:
        order = rng.permutation(len(numbers))
        batches = _similar(order, lengths, size, rng) if lengths is not None else _cut(order, size)
        for batch in batches:
            yield fetch(numbers[batch])

    return epoch


def batch_count(sequences: int, size: int) -> int:
    """How many batches an epoch of `shuffled` has."""
    return math.ceil(sequences / size)


def _cut(order: Numbers, size: int) -> list[Numbers]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def _similar(order: Numbers, lengths: Numbers, size: int, rng: Generator) -> list[Numbers]:
    """Sort within pools of many batches, so that padding is short and chance remains."""
    batches = []
    for pool in _cut(order, _POOL * size):
        batches += _cut(pool[np.argsort(lengths[pool], kind="stable")], size)
    return [batches[index] for index in rng.permutation(len(batches))]


class InOrder(Sequence[Batch]):
    """Batches of fixed numbers, fetched when they are asked for."""

    def __init__(self, fetch: Fetch, numbers: Numbers, size: int) -> None:
        self._fetch, self._batches = fetch, _cut(numbers, size)

    def __len__(self) -> int:
        return len(self._batches)

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> list[Batch]: ...
    def __getitem__(self, index: int | slice) -> Batch | list[Batch]:
        if isinstance(index, slice):
            return [self._fetch(numbers) for numbers in self._batches[index]]
        return self._fetch(self._batches[index])


def of_tensors(x: Tensor, y: Tensor) -> Fetch:
    """Fetch rows of x [N, T, F] and y [N, …]."""
    return lambda numbers: Batch(x[torch.from_numpy(numbers)], y[torch.from_numpy(numbers)])


def of_signals(x: Sequence[Signal], y: Tensor) -> Fetch:
    """Fetch sequences of different lengths, [T, F] each, padded with zeros; y [N, …]."""

    def fetch(numbers: Numbers) -> Batch:
        signals = [torch.from_numpy(x[number]) for number in numbers]
        padded = torch.nn.utils.rnn.pad_sequence(signals, batch_first=True)
        return Batch(padded, y[torch.from_numpy(numbers)], torch.tensor([len(signal) for signal in signals]))

    return fetch


def held_out(count: int, share: float) -> tuple[Numbers, Numbers]:
    """Numbers 0 … count − 1 in two parts, the second a random `share`; the same at every call."""
    order = np.random.default_rng(0).permutation(count)
    kept = count - round(share * count)
    return np.sort(order[:kept]), np.sort(order[kept:])
