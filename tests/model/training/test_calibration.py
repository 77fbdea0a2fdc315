"""The shift of the gate's bias after the training."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn import NetworkConfig, SkipNetwork
from skiprnn.data.recordings import Recording, Windows, windowed
from skiprnn.data.types import Data
from skiprnn.training.calibration import calibrate, search
from skiprnn.training.stream_rates import stream_update_rate
from support.training import short_experiment

RATES = st.floats(0.005, 0.9)


@given(RATES, st.floats(0.2, 5), st.floats(-3, 3))
def test_it_lands_on_the_rate_of_any_gate_that_updates_more_with_a_larger_bias(
    target: float, steepness: float, off: float
) -> None:
    middle = math.log(target / (1 - target)) / steepness + off
    found = search(lambda shift: 1 / (1 + math.exp(-steepness * (shift + middle))), target)
    reachable = abs(off) < 6
    assert not reachable or found.rate == pytest.approx(target, rel=0.003)


@given(st.lists(RATES, min_size=2, max_size=6, unique=True), RATES, st.floats(-2, 2))
def test_where_the_rate_jumps_it_takes_the_nearer_side(
    levels: list[float], target: float, off: float
) -> None:
    steps = sorted(levels)

    def rate_at(shift: float) -> float:
        return steps[min(len(steps) - 1, max(0, math.floor(shift + off + 3)))]

    found = search(rate_at, target)
    around = [rate for rate in steps if rate <= target][-1:] + [rate for rate in steps if rate >= target][:1]
    assert found.rate == rate_at(found.shift)
    assert found.rate == min(around, key=lambda rate: abs(math.log(rate / target)))
    assert found.trained_rate == rate_at(0.0)


def test_a_rate_that_is_met_is_left_alone() -> None:
    assert search(lambda shift: 0.2 * math.exp(shift), 0.2).shift == 0


def network(gate_bias: float) -> SkipNetwork:
    torch.manual_seed(0)
    made = SkipNetwork(NetworkConfig("made", "gru", 2, 8, 2, gate_bias=gate_bias, dropout=0.5))
    with torch.no_grad():
        made.rnn.gate.weight.mul_(4)
    return made


def of_recordings() -> Data:
    rng = np.random.default_rng(0)
    made = [
        Recording(rng.standard_normal((n, 2)).astype(np.float32), np.zeros(n, np.int64)) for n in (300, 450)
    ]
    fields = {"input_size": 2, "output_size": 2}
    return windowed(fields, made, made, Windows(64), 4, augment=lambda x, _: x, length=64, stride=32)


@pytest.mark.parametrize("target", [0.03, 0.2, 0.7])
def test_a_network_meets_the_rate_on_whole_recordings(target: float) -> None:
    made, data = network(-1.0), of_recordings()
    before = made.rnn.gate.bias.item()
    found = calibrate(made, data, target)
    assert (
        stream_update_rate(made.eval(), data.train_streams) == found.rate == pytest.approx(target, rel=0.05)
    )
    assert made.rnn.gate.bias.item() == pytest.approx(before + found.shift)


def test_a_network_meets_the_rate_on_training_batches_where_there_are_no_recordings() -> None:
    data, made = short_experiment().load(), network(2.0)
    found = calibrate(made, data, 0.4)
    updates = [
        made.eval()(batch.x).gates.detach().mean() for batch in data.epoch(np.random.default_rng((0, 0, 0)))
    ]
    assert float(torch.stack(updates).mean()) == pytest.approx(found.rate, rel=1e-4)
    assert found.rate == pytest.approx(0.4, rel=0.01)


def test_the_network_goes_on_training_if_it_was() -> None:
    made = network(0.0).train()
    calibrate(made, of_recordings(), 0.3)
    assert made.training
