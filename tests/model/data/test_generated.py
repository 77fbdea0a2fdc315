"""Tasks that draw their sequences: new ones to train on, the same ones for validation and test."""

import numpy as np
import pytest
import torch

from skiprnn import tasks
from skiprnn.tasks import Source


@pytest.mark.parametrize("name", ["adding", "frequency"])
def test_epochs_differ_and_evaluation_sequences_stay_and_are_never_trained_on(name: str) -> None:
    task = tasks.find(name)
    data = task.load(Source(None, task.recipe, 0, task.options))
    epochs = [next(data.epoch(np.random.default_rng((0, epoch)))) for epoch in (0, 0, 1)]
    assert torch.equal(epochs[0].x, epochs[1].x)
    assert not torch.equal(epochs[0].x, epochs[2].x)
    again = task.load(Source(None, task.recipe, 1, task.options))
    assert torch.equal(data.test[0].x, again.test[0].x)
    assert not torch.equal(data.test[0].x, data.validation[0].x)
    assert data.network["input_size"] == data.samples[0].shape[1]


@pytest.mark.parametrize(("name", "options"), [("adding", {"length": 5}), ("frequency", {"sampling": 0})])
def test_an_impossible_option_raises_an_error(name: str, options: dict[str, float]) -> None:
    task = tasks.find(name)
    with pytest.raises(ValueError, match="expected"):
        task.load(Source(None, task.recipe, 0, {**task.options, **options}))
