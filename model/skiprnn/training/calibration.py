"""After the training: shift the gate's bias until the update rate on the training data is the target rate.

A falling learning rate freezes the gate before the multiplier has made good what is left of an error. A larger bias
means a larger Δũ after every update, and so more updates: one number is searched by bisection. Held-out data is not
looked at.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch

from skiprnn.data.types import Batch, Data
from skiprnn.network import SkipNetwork
from skiprnn.training.stream_rates import stream_update_rate

_TOLERANCE = 0.002  # of the rate, relative
_FIRST_STEP, _LARGEST_SHIFT, _SMALLEST_STEP = 0.1, 6.4, 1e-4  # of the bias
_SAMPLES = 1_000_000  # of the training data, at most


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What was done.

    Attributes:
        trained_rate: update rate on the training data before it, as the training left it.
        rate: after it.
        shift: what was added to the gate's bias.
    """

    trained_rate: float
    rate: float
    shift: float


def calibrate(network: SkipNetwork, data: Data, target: float, seed: int = 0) -> Calibration:
    """Shift the gate's bias, in place, so that the update rate on the training data is `target`.

    The rate is that over whole recordings where the task has some, else over batches of an epoch.

    Args:
        target: in (0, 1].
        seed: of the epoch.
    """
    was_training, bias = network.training, network.rnn.gate.bias
    begun = bias.detach().clone()
    network.eval()

    def rate_at(shift: float) -> float:
        with torch.no_grad():
            bias.copy_(begun + shift)
        return _training_rate(network, data, seed)

    found = search(rate_at, target)
    with torch.no_grad():
        bias.copy_(begun + found.shift)
    network.train(was_training)
    return found


def search(rate_at: Callable[[float], float], target: float) -> Calibration:
    """The shift at which `rate_at`, which grows with it, is nearest to `target`.

    Where the rate jumps over the target, it is the nearer side of the jump.
    """
    first = rate_at(0.0)
    rates = {0.0: first}

    def error(shift: float) -> float:
        rates[shift] = rates[shift] if shift in rates else rate_at(shift)
        return math.log(max(rates[shift], 1e-9) / target)

    _bisect(error)
    best = min(rates, key=lambda shift: (abs(error(shift)), abs(shift)))
    return Calibration(first, rates[best], best)


def _bisect(error: Callable[[float], float]) -> None:
    """Call `error` at shifts nearer and nearer to where it changes its sign."""
    sign = -1.0 if error(0.0) > 0 else 1.0
    near, far = 0.0, _FIRST_STEP
    while error(sign * far) * sign < 0 and far < _LARGEST_SHIFT:
        near, far = far, 2 * far
    while far - near > _SMALLEST_STEP and min(abs(error(sign * near)), abs(error(sign * far))) > _TOLERANCE:
        middle = (near + far) / 2
        near, far = (middle, far) if error(sign * middle) * sign < 0 else (near, middle)


def _training_rate(network: SkipNetwork, data: Data, seed: int) -> float:
    if data.train_streams:
        each = max(1, _SAMPLES // len(data.train_streams))
        return stream_update_rate(network, [x[:each] for x in data.train_streams])
    updates = samples = 0.0
    for batch in _batches(data, seed):
        counted = batch.x.shape[0] * batch.x.shape[1] if batch.lengths is None else int(batch.lengths.sum())
        with torch.no_grad():
            gates = network(batch.x, batch.lengths).gates
        updates, samples = updates + float(gates.sum()), samples + counted
    return updates / samples


def _batches(data: Data, seed: int) -> Iterator[Batch]:
    """Those of an epoch, the same at every call, up to the limit."""
    samples = 0
    for batch in data.epoch(np.random.default_rng((seed, 0, 0))):
        yield batch
        samples += batch.x.shape[0] * batch.x.shape[1]
        if samples >= _SAMPLES:
            return
