"""Streams with events → what the network should answer at every sample, and chunks of them to train on.

A stream is long, mostly nothing happens in it, and an event has a class, a start and an end. Right after the start the
network cannot know it yet, and a while after the end it may still name it: there either answer is right.

      background   either   the event's class           either   background
    ──────────────┬────────┬───────────────────────────┬────────┬───────────
         start − before    start + delay         end + hold    end + after
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from skiprnn.data.event_stream import EventStream
from skiprnn.data.scale import mean_and_std
from skiprnn.data.types import Batch, ContinuedBatch, Data, EventStreams, Signal
from skiprnn.events import EventRule, Indices

BATCHES = 50  # an epoch
_VALIDATED = 4  # batches of the validation in the log of a training
_SHOWN = 4096  # samples of a stream on which an export is compared with torch

Augment = Callable[[Signal, Generator], Signal]


@dataclasses.dataclass(frozen=True)
class EventTargets:
    """What to answer around an event (the picture above); all in samples.

    Attributes:
        before: before the start, either answer is right from here on.
        delay: after the start, the event's class is right from here on,
        hold: after the end, until here,
        after: and after the end, either is right until here.
        weights: of the samples of each class, [K]; the background's too.
    """

    before: int
    delay: int
    hold: int
    after: int
    weights: Sequence[float]

    def of(self, stream: EventStream, background: int) -> tuple[Indices, NDArray[np.float32]]:
        """The right class of every sample and how much the answer counts, [T] each."""
        y = np.full(len(stream.x), background, np.int64)
        free = np.zeros(len(stream.x), np.bool_)
        for start, end in zip(stream.starts, stream.ends, strict=True):
            free[max(0, start - self.before) : end + self.after] = True
        for label, start, end in zip(stream.labels, stream.starts, stream.ends, strict=True):
            named = slice(start + self.delay, max(start + self.delay + 1, end + self.hold))
            y[named], free[named] = label, False
        weights = np.asarray(self.weights, np.float32)[y]
        weights[free] = 0
        return y, weights


@dataclasses.dataclass(frozen=True)
class EventChunks:
    """How training chunks are cut.

    Attributes:
        length: samples of a chunk.
        carried: chunks of one stretch, one batch after the other with the state carried over; 1: random windows.
        warm_up: samples at the beginning of a stretch that do not count: what went before is not known.
        batches: an epoch.

    Raises:
        ValueError: a length without samples, or more chunks of a stretch than batches.
    """

    length: int
    carried: int = 1
    warm_up: int = 0
    batches: int = BATCHES

    def __post_init__(self) -> None:
        if self.length < 2:
            raise ValueError(f"window: expected 2 samples at least, got {self.length!r}")
        if not 1 <= self.carried <= self.batches:
            raise ValueError(f"carried: expected 1 to {self.batches} chunks, got {self.carried!r}")

    def epoch(
        self, streams: Sequence["LabelledStream"], size: int, augment: Augment, rng: Generator
    ) -> Iterator[Batch]:
        """Batches of `size` stretches, each from a random place of the streams."""
        share = np.array([len(stream.x) for stream in streams], float)
        for _ in range(self.batches // self.carried):
            rows = rng.choice(len(streams), size, p=share / share.sum())
            stretches = [self._stretch(streams[row], augment, rng) for row in rows]
            x, y, weights = (torch.from_numpy(np.stack(part)) for part in zip(*stretches, strict=True))
            for start in range(0, self.carried * self.length, self.length):
                here = slice(start, start + self.length)
                kind = ContinuedBatch if start else Batch
                yield kind(x[:, here], y[:, here], None, weights[:, here])

    def _stretch(
        self, stream: "LabelledStream", augment: Augment, rng: Generator
    ) -> tuple[Signal, Indices, NDArray[np.float32]]:
        """Of a stream that is too short the end is repeated, and does not count."""
        length = self.carried * self.length
        start = int(rng.integers(max(1, len(stream.x) - length + 1)))
        at = np.minimum(np.arange(start, start + length), len(stream.x) - 1)
        weights = stream.weights[at]
        weights[: self.warm_up] = 0
        weights[len(stream.x) - start :] = 0
        return augment(stream.x[at], rng), stream.y[at], weights


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledStream:
    """Samples x [T, F], the right class of each, y [T], and how much its answer counts, weights [T]."""

    x: Signal
    y: Indices
    weights: NDArray[np.float32]


def event_data(
    network: Mapping[str, Any],
    train: Sequence[EventStream],
    held_out: EventStreams,
    targets: EventTargets,
    chunks: EventChunks,
    size: int,
    *,
    augment: Augment = lambda x, rng: x,  # noqa: ARG005
) -> Data:
    """Data of streams with events.

    Args:
        network: as for `Data`; `classes` and `events`, the alarm rule, are among its fields.
        size: stretches of a batch.
        augment: changes a training stretch [T, F].
    """
    rule: EventRule = network["events"]
    background = network["classes"].index(rule.background)

    def labelled(streams: Sequence[EventStream]) -> list[LabelledStream]:
        return [LabelledStream(stream.x, *targets.of(stream, background)) for stream in streams]

    mean, std = mean_and_std([stream.x for stream in train])
    trained, validated = labelled(train), labelled(held_out.validation)
    windows = dataclasses.replace(chunks, carried=1, batches=_VALIDATED)
    return Data(
        network={"task": "step_classification"} | dict(network),
        epoch=lambda rng: chunks.epoch(trained, size, augment, rng),
        batches=chunks.batches // chunks.carried * chunks.carried,
        validation=list(windows.epoch(validated, size, lambda x, _: x, np.random.default_rng(0))),
        mean=mean,
        std=std,
        samples=[stream.x[:_SHOWN] for stream in held_out.test[:4]],
        train_streams=[stream.x for stream in train],
        warm_up=chunks.warm_up,
        events=held_out,
        parts={
            "trained on": _counts(train),
            "threshold chosen on": _counts(held_out.validation),
            "held out": _counts(held_out.test),
        },
    )


def _counts(streams: Sequence[EventStream]) -> dict[str, int]:
    return {
        "recordings": len(streams),
        "events": sum(len(stream.labels) for stream in streams),
        "samples": sum(len(stream.x) for stream in streams),
    }
