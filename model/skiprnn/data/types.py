"""What a task's data is made of: a signal, a batch of sequences, and a whole data set ready to train on."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skiprnn.data.event_stream import EventStream
from skiprnn.event_metric import EventMetric
from skiprnn.metrics import Metric

Signal = NDArray[np.float32]  # [T, F]


class Batch(NamedTuple):
    """Sequences that are processed together.

    Attributes:
        x: [B, T, F], raw units.
        y: classes [B] or, of every sample, [B, T]; values [B, K]; labels of every sample [B, T, K].
        lengths: [B], samples of each padded sequence; None when none is padded.
        weights: [B, T], how much the answer after each sample counts; None: as the recipe says.
    """

    x: Tensor
    y: Tensor
    lengths: Tensor | None = None
    weights: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        lengths, weights = (
            None if part is None else part.to(device) for part in (self.lengths, self.weights)
        )
        return type(self)(self.x.to(device), self.y.to(device), lengths, weights)


class ContinuedBatch(Batch):
    """A batch whose sequences go on where those of the batch before ended, with their states."""


@dataclasses.dataclass(frozen=True)
class EventStreams:
    """Whole streams of others than those trained on.

    Attributes:
        validation: the threshold of the alarm rule is chosen on them.
        test: the results are those on them; others again.
        metric: what an alarm is worth.
    """

    validation: Sequence[EventStream]
    test: Sequence[EventStream]
    metric: EventMetric


class HeldOut(NamedTuple):
    """A whole recording that was not trained on: its name, its group (a person, a machine), and a batch of it alone."""

    name: str
    group: str
    batch: Batch


@dataclasses.dataclass(frozen=True)
class Data:
    """A task's data, ready to train on.

    Attributes:
        network: the fields of NetworkConfig that the data decides: input_size, output_size, task, classes, …
        epoch: a random generator → the training batches of one epoch.
        batches: how many these are.
        validation: batches for model selection and for the log.
        test: batches for the results that are reported; when empty, the validation batches are used.
        mean, std: [F], of the training samples; None leaves samples as they are.
        target_mean, target_std: [K], of the training targets of a regression; None leaves outputs as they are.
        metric: of the results; None: the task's.
        samples: a few real sequences, [T, F] each, on which an export is compared with torch.
        train_streams, test_streams: whole recordings, [T, F] each, of which the training and test windows are made;
            empty where the task has none.
        warm_up: samples at the beginning of a training window that say nothing about the update rate of a stream; at
            most a quarter of a window is left out.
        events: whole streams with events, for the results and the alarm threshold; None: the classes are no events.
        recordings: the user's files, each with its part and digest; a run is resumed on the same ones alone.
        held_out: the whole recordings whose windows are the test's, for the report.
        parts: what was trained on, selected by and tested on: name of the part → counts by name.
        notes: what the data is too little for, a sentence each.
    """

    network: Mapping[str, Any]
    epoch: Callable[[np.random.Generator], Iterator[Batch]]
    batches: int
    validation: Sequence[Batch]
    test: Sequence[Batch] = ()
    mean: Tensor | None = None
    std: Tensor | None = None
    samples: Sequence[Signal] = ()
    train_streams: Sequence[Signal] = ()
    test_streams: Sequence[Signal] = ()
    warm_up: int = 0
    events: EventStreams | None = None
    recordings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    target_mean: Tensor | None = None
    target_std: Tensor | None = None
    metric: Metric | None = None
    held_out: Sequence[HeldOut] = ()
    parts: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
