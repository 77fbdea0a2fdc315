"""Evaluate a network on whole streams with events, each from one initial state: as it would run live.

The alarm threshold is chosen on the validation streams, the results are those on the test streams.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from skiprnn.data.event_stream import EventStream
from skiprnn.data.types import EventStreams, Signal
from skiprnn.event_metric import EventScore, Updates
from skiprnn.events import EventDetector, EventRule
from skiprnn.network import SkipNetwork
from skiprnn.recipe import Recipe
from skiprnn.training.baselines import scheduled_gates
from skiprnn.training.figures import update_rates

_CHUNK = 4096  # samples that are unrolled at once: the outputs of more would not fit
_TOGETHER = 16  # streams of similar lengths
_COLUMNS = (  # of the report's tables
    *("events", "false_alarms", "false_alarms_per_hour", "sensitivity", "precision", "f1", "delay_seconds"),
)


def choose_threshold(network: SkipNetwork, streams: EventStreams, recipe: Recipe) -> None:
    """Give the network's alarm rule the threshold that is best on the validation streams."""
    config = network.config
    updates = run_streams(network, [stream.x for stream in streams.validation], recipe)
    rule = streams.metric.choose(_rule(network), config.classes, updates, streams.validation)
    network.config = dataclasses.replace(config, events=rule)


@dataclasses.dataclass(frozen=True)
class EventTest:
    """What a network did over the test streams.

    Attributes:
        streams: of the test, with their metric.
        updates: of each of them.
        rule, classes: the network's.
    """

    streams: EventStreams
    updates: Sequence[Updates]
    rule: EventRule
    classes: Sequence[str]

    @classmethod
    def of(cls, network: SkipNetwork, streams: EventStreams, recipe: Recipe) -> "EventTest":
        """Run the test streams, with the network's alarm rule."""
        updates = run_streams(network, [stream.x for stream in streams.test], recipe)
        return cls(streams, updates, _rule(network), network.config.classes)

    def results(self) -> dict[str, Any]:
        """For training.json; `update_rate` is that on whole streams."""
        score, metric, count = self._score(), self.streams.metric, len(self.updates)
        return {
            "metric": metric.name,
            **metric.results(score),
            "alarm_threshold": self.rule.threshold,
            "refractory": self.rule.refractory,
            "update_rate": score.updates / score.samples,
            "stream_update_rate": score.updates / score.samples,
            "updates": score.updates / count,
            "samples": score.samples / count,
        }

    def report(self) -> dict[str, Any]:
        """For report.json: figures of every class and of every stream."""
        labels = [k for k, name in enumerate(self.classes) if name != self.rule.background]
        numbers, name = range(len(self.updates)), self.streams.metric.name
        results = self.streams.metric.results(self._score())
        return {
            "kind": "events",
            "metric": name,
            "recordings": {"count": len(self.updates), name: results[name]},
            "alarms": results,
            "outputs": [self._row(self.classes[label], self._score(label)) for label in labels],
            "groups": [self._row(self.streams.test[n].name, self._score(only=n)) for n in numbers],
            "update_rate": update_rates(
                [(stream.name, len(ran.t), ran.samples) for stream, ran in self._pairs()]
            ),
        }

    def _pairs(self) -> list[tuple[EventStream, Updates]]:
        return list(zip(self.streams.test, self.updates, strict=True))

    def _score(self, label: int | None = None, *, only: int | None = None) -> EventScore:
        """Of one class or all, of one stream or all."""
        here = slice(None) if only is None else slice(only, only + 1)
        detector = EventDetector(self.rule, self.classes)
        return self.streams.metric.score(detector, self.updates[here], self.streams.test[here], label)

    def _row(self, name: str, score: EventScore) -> dict[str, Any]:
        results = self.streams.metric.results(score)
        return {"name": name} | {key: results[key] for key in _COLUMNS if key in results}


@torch.no_grad()
def run_streams(network: SkipNetwork, streams: Sequence[Signal], recipe: Recipe) -> list[Updates]:
    """The updates of whole streams, [T, F] each, by the learned gate or the recipe's schedule, without dropout."""
    was_training = network.training
    network.eval()
    order = sorted(range(len(streams)), key=lambda number: len(streams[number]))
    found: dict[int, Updates] = {}
    for begin in range(0, len(order), _TOGETHER):
        numbers = order[begin : begin + _TOGETHER]
        found |= zip(numbers, _run_together(network, [streams[n] for n in numbers], recipe), strict=True)
    network.train(was_training)
    return [found[number] for number in range(len(streams))]


def _run_together(network: SkipNetwork, streams: Sequence[Signal], recipe: Recipe) -> list[Updates]:
    x = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(stream) for stream in streams], batch_first=True)
    B, T, _ = x.shape
    ends = torch.tensor([len(stream) for stream in streams]).unsqueeze(1)
    updated = [
        _gather(gates, y, start, ends) for start, gates, y in _chunks(network, x, _gates(recipe, B, T))
    ]
    t, y = (
        [torch.cat(rows).numpy() for rows in zip(*(chunk[part] for chunk in updated), strict=True)]
        for part in (0, 1)
    )
    return [Updates(len(stream), *row) for stream, row in zip(streams, zip(t, y, strict=True), strict=True)]


def _chunks(network: SkipNetwork, x: Tensor, forced: Tensor | None) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Index of the first sample, gates [B, t] and outputs [B, t, K] of each chunk, on the CPU."""
    device, state = network.input_mean.device, None
    for start in range(0, x.shape[1], _CHUNK):
        here = slice(start, start + _CHUNK)
        due = None if forced is None else forced[:, here].to(device)
        logits, gates, state = network(x[:, here].to(device), state=state, forced_gates=due, every_step=True)
        yield start, gates.cpu(), network.activate(logits).cpu()


def _gather(gates: Tensor, y: Tensor, start: int, ends: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Of each row the indices of its updates and their outputs; what lies beyond its end is padding."""
    t = torch.arange(start, start + gates.shape[1])
    updated = (gates > 0) & (t < ends)
    return [t[row] for row in updated], [values[row] for values, row in zip(y, updated, strict=True)]


def _gates(recipe: Recipe, B: int, T: int) -> Tensor | None:
    """Of the recipe's schedule over whole streams, [B, T]; a random one is the same at every call."""
    if recipe.schedule is None or recipe.target_rate is None:
        return None
    generator = torch.Generator().manual_seed(0)
    return scheduled_gates(recipe.schedule, recipe.target_rate, B, T, generator)


def _rule(network: SkipNetwork) -> EventRule:
    if network.config.events is None:
        raise ValueError("events: expected a network with an alarm rule, got none")
    return network.config.events
