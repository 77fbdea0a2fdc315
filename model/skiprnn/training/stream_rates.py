"""The update rate over whole recordings, each unrolled from one initial state: what a live stream will have.

A window's rate differs from it: every window begins with an update, and with a state that knows nothing yet.
"""

from collections.abc import Sequence

import torch

from skiprnn.data.types import Signal
from skiprnn.network import SkipNetwork
from skiprnn.recipe import Schedule
from skiprnn.training.baselines import scheduled_gates

_TOGETHER = 64  # recordings of similar lengths
_CHUNK = 4096  # samples that are unrolled at once: the outputs of more would not fit


@torch.no_grad()
def count_updates(network: SkipNetwork, streams: Sequence[Signal]) -> list[int]:
    """Updates over each whole recording.

    Args:
        streams: [T, F] each, raw units.

    Raises:
        ValueError: a recording without samples.
    """
    if any(len(x) == 0 for x in streams):
        raise ValueError("streams: expected at least one sample in each, got one without")
    order = sorted(range(len(streams)), key=lambda number: len(streams[number]))
    updates = [0] * len(streams)
    for begin in range(0, len(order), _TOGETHER):
        numbers = order[begin : begin + _TOGETHER]
        for number, count in zip(numbers, _count([streams[n] for n in numbers], network), strict=True):
            updates[number] = count
    return updates


def stream_update_rate(network: SkipNetwork, streams: Sequence[Signal]) -> float:
    """Share of the samples of whole recordings that update the state, in [0, 1].

    Raises:
        ValueError: no recording, or one without samples.
    """
    if not streams:
        raise ValueError("streams: expected at least one recording, got none")
    return sum(count_updates(network, streams)) / sum(len(x) for x in streams)


def scheduled_update_rate(schedule: Schedule, rate: float, streams: Sequence[Signal]) -> float:
    """The same of a fixed schedule, without a network; a random one is the same at every call.

    Args:
        rate: in (0, 1], as it was asked for.
        streams: [T, F] each, at least one with a sample.
    """
    generator = torch.Generator().manual_seed(0)
    updates = (scheduled_gates(schedule, rate, 1, len(x), generator).sum() for x in streams)
    return float(sum(updates)) / sum(len(x) for x in streams)


def _count(streams: Sequence[Signal], network: SkipNetwork) -> list[int]:
    lengths = torch.tensor([len(x) for x in streams])
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(x) for x in streams], batch_first=True)
    t, total, state = 0, torch.zeros(len(streams)), None
    for x in torch.split(padded, _CHUNK, dim=1):  # (B, T, F)
        _, gates, state = network(x.to(network.input_mean.device), state=state)
        inside = torch.arange(t, t := t + x.shape[1]) < lengths.unsqueeze(1)  # (B, T): the rest is padding
        total += (gates.cpu() * inside).sum(1)
    return [int(count) for count in total]
