"""Digits of 8 × 8 pixels."""

import numpy as np

from support.tasks import load


def test_digits_come_pixel_by_pixel() -> None:
    data = load("digits")
    parts = [sum(len(batch.x) for batch in part) for part in (data.validation, data.test)]
    trained = sum(len(batch.x) for batch in data.epoch(np.random.default_rng(0)))
    assert [trained, *parts] == [1197, 300, 300]
    batch = data.test[0]
    assert batch.x.shape[1:] == (64, 1)
    assert batch.x.min() == 0
    assert batch.x.max() == 1
