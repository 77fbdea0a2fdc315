"""Long recordings → windows."""

import numpy as np
import pytest
from numpy.random import default_rng

from skiprnn.data.recordings import BATCHES, Recording, Windows, every_window, windowed
from skiprnn.data.types import Signal


def recording(samples: int, label: int) -> Recording:
    return Recording(np.arange(samples, dtype=np.float32)[:, np.newaxis], np.full(samples, label))


def unchanged(x: Signal, _: np.random.Generator) -> Signal:
    return x


def test_test_windows_are_all_those_of_a_stride_with_the_last_samples_class() -> None:
    changing = Recording(recording(10, 0).x, np.array([0] * 5 + [1] * 5))
    (batch,) = every_window([changing, recording(3, 2)], length=4, stride=3, batch_size=9)
    assert batch.x[..., 0].tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert batch.y.tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="recordings of 11 samples or more, the longest has 10"):
        every_window([changing], length=11, stride=1, batch_size=1)


def test_training_windows_follow_their_recording_and_weights_grow() -> None:
    batch = Windows(length=8, warm_up=4).batch(
        [recording(40, 0), recording(40, 1)], 50, unchanged, default_rng(0)
    )
    steps = batch.x[:, 1:, 0] - batch.x[:, :-1, 0]
    assert (steps - 1).abs().max() < 1e-4
    assert batch.weights is not None
    assert batch.weights[0].tolist() == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]
    assert set(batch.y.flatten().tolist()) == {0, 1}


def test_windowed_data_trains_on_some_recordings_and_tests_on_others() -> None:
    train, test = [recording(40, 0), recording(40, 1)], [recording(20, 1)]
    data = windowed({}, train, test, Windows(length=8), 5, augment=unchanged, length=10, stride=5)
    batches = list(data.epoch(default_rng(0)))
    assert len(batches) == data.batches == BATCHES
    assert batches[0].x.shape == (5, 8, 1)
    assert [len(batch.x) for batch in data.validation] == [3]
    assert data.mean is not None
    assert data.mean.tolist() == [19.5]
    np.testing.assert_array_equal(data.samples[0], test[0].x)
