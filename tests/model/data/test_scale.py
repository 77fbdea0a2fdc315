"""The scale of channels, on long and on still signals."""

import numpy as np
import pytest

from skiprnn.data.scale import mean_and_std


def test_a_channel_that_never_changes_has_a_deviation_of_one() -> None:
    still = np.column_stack([np.arange(4), np.full(4, 7)]).astype(np.float32)
    mean, std = mean_and_std([still])
    assert mean.tolist() == [1.5, 7]
    assert std.tolist() == [pytest.approx(1.118, abs=1e-3), 1]


def test_it_is_constant_if_its_least_and_greatest_are_equal_whatever_sums_round_to() -> None:
    mean, std = mean_and_std([np.full((length, 1), 3.3, np.float32) for length in (2000, 400)])
    assert mean.item() == np.float32(3.3)
    assert std.item() == 1


def test_signals_that_are_each_constant_are_not_constant_together() -> None:
    assert mean_and_std([np.zeros((5, 1), np.float32), np.full((5, 1), 2, np.float32)])[1].item() == 1
    assert mean_and_std([np.zeros((5, 1), np.float32), np.full((5, 1), 4, np.float32)])[1].item() == 2


def test_long_recordings_of_a_large_offset_keep_their_mean_and_deviation() -> None:
    rng = np.random.default_rng(0)
    pressure = (101_325 + 50 * rng.standard_normal((1_000_000, 2))).astype(np.float32)
    mean, std = mean_and_std(np.split(pressure, 4))
    exact = pressure.astype(np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-7)
    np.testing.assert_allclose(std, exact.std(axis=0), rtol=1e-6)
