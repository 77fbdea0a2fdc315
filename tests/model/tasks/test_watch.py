"""The smartwatch recordings, as published; people held out."""

import numpy as np
import pytest
import torch

from skiprnn.tasks.watch import held_out_subjects
from support.tasks import load


def test_no_subject_is_in_training_and_test() -> None:
    assert sorted(sum((held_out_subjects(fold) for fold in range(5)), ())) == list(range(1, 11))
    assert held_out_subjects(-1) == ()
    with pytest.raises(ValueError, match="fold: expected 0 to 4"):
        held_out_subjects(5)


def test_windows_are_made_for_seven_classes_at_50_hz() -> None:
    data = load("watch", fold=0)
    batch = next(data.epoch(np.random.default_rng(0)))
    assert batch.x.shape == (64, 256, 6)
    assert batch.x.dtype == torch.float32
    assert data.network["sample_rate"] == 50
    assert set(torch.cat([part.y for part in data.validation]).tolist()) == set(range(7))
    assert data.mean is not None
    assert data.mean.shape == (6,)
