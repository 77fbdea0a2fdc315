"""The update rate over whole recordings."""

import numpy as np
import pytest
import torch

from skiprnn import NetworkConfig, SkipNetwork
from skiprnn.data.types import Signal
from skiprnn.training import stream_rates
from skiprnn.training.stream_rates import count_updates, scheduled_update_rate, stream_update_rate


def network() -> SkipNetwork:
    torch.manual_seed(0)
    made = SkipNetwork(NetworkConfig("made", "gru", 2, 8, 3, gate_bias=-2.0))
    with torch.no_grad():
        made.rnn.gate.weight.mul_(4)
    return made.eval()


def recordings(*lengths: int) -> list[Signal]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((length, 2)).astype(np.float32) for length in lengths]


def test_each_recording_is_counted_as_if_it_were_alone_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    made, streams = network(), recordings(300, 7, 129, 1)
    alone = [int(made(torch.from_numpy(x)[None]).gates.sum()) for x in streams]
    assert count_updates(made, streams) == alone
    monkeypatch.setattr(stream_rates, "_CHUNK", 16)
    monkeypatch.setattr(stream_rates, "_TOGETHER", 2)
    assert count_updates(made, streams) == alone
    assert len(set(alone)) > 2


def test_the_rate_is_updates_over_samples() -> None:
    made, streams = network(), recordings(40, 60)
    assert stream_update_rate(made, streams) == sum(count_updates(made, streams)) / 100


def test_no_recording_or_an_empty_one_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least one recording, got none"):
        stream_update_rate(network(), [])
    with pytest.raises(ValueError, match="expected at least one sample in each"):
        count_updates(network(), [*recordings(3), np.zeros((0, 2), np.float32)])


def test_a_uniform_schedule_begins_anew_in_every_recording() -> None:
    assert scheduled_update_rate("uniform", 0.25, recordings(10, 3)) == (3 + 1) / 13


def test_a_random_schedule_is_the_same_one_at_every_call() -> None:
    streams = recordings(400, 600)
    found = scheduled_update_rate("random", 0.25, streams)
    assert found == scheduled_update_rate("random", 0.25, streams)
    assert 0.2 < found < 0.3
