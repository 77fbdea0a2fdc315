"""A data set of a known size: a function that fetches sequences by their numbers → training epochs and test batches."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from skiprnn.data.types import Batch, Data, Signal

Numbers = NDArray[np.int64]
Fetch = Callable[[Numbers], Batch]

_POOL = 20  # batches that are sorted by length among themselves


class Split(NamedTuple):
    """Numbers of the sequences to train on, to select by and to report."""

    train: Numbers
    validation: Numbers
    test: Numbers

    @classmethod
    def published(cls, train: int, test: int, share: float) -> "Split":
        """The first `train` sequences and the `test` ones that follow; a random `share` of the first selects."""
        return cls(*held_out(train, share), np.arange(train, train + test))


def data_set(
    network: Mapping[str, Any],
    fetch: Fetch,
    split: Split,
    size: int,
    *,
    evaluated: Fetch | None = None,
    evaluated_size: int | None = None,
    lengths: Numbers | None = None,
    **rest: Any,
) -> Data:
    """Data of a known size.

    Args:
        network: as for `Data`.
        size: sequences of a training batch.
        evaluated, evaluated_size: as `fetch` and `size`, for validation and test batches; None: the same.
        lengths: of all sequences; a training batch is then made of sequences of similar lengths.
        rest: `mean`, `std` and `samples` of `Data`.
    """
    fetch_evaluated, together = evaluated or fetch, evaluated_size or size
    return Data(
        network=network,
        epoch=shuffled(fetch, split.train, size, None if lengths is None else lengths[split.train]),
        batches=batch_count(len(split.train), size),
        validation=InOrder(fetch_evaluated, split.validation, together),
        test=InOrder(fetch_evaluated, split.test, together),
        **rest,
    )


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
    """Sort within pools of many batches: padding is short, and batches stay random."""
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
    rest = count - round(share * count)
    return np.sort(order[:rest]), np.sort(order[rest:])
