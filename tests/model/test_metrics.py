"""Metrics against scikit-learn's."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skiprnn.metrics import (
    Metric,
    accuracy,
    balanced_accuracy,
    mean_average_precision,
    mean_squared_error,
    r_squared,
)

probabilities = hnp.arrays(np.float32, (30, 4), elements=st.floats(0, 1, width=32))
labels = hnp.arrays(np.int64, 30, elements=st.integers(0, 3))


@given(probabilities, labels)
def test_accuracies_are_the_usual_ones(outputs: np.ndarray, targets: np.ndarray) -> None:
    guessed = outputs.argmax(1)
    pair = torch.from_numpy(outputs), torch.from_numpy(targets)
    assert accuracy(*pair) == pytest.approx((guessed == targets).mean())
    recalls = [(guessed[targets == label] == label).mean() for label in np.unique(targets)]
    assert balanced_accuracy(*pair) == pytest.approx(np.mean(recalls))


def test_mean_average_precision_leaves_out_labels_that_never_occur() -> None:
    rng = np.random.default_rng(0)
    outputs, targets = rng.random((50, 5)).astype(np.float32), (rng.random((50, 5)) < 0.3).astype(np.float32)
    targets[:, 2] = 0
    expected = np.mean(
        [sklearn.metrics.average_precision_score(targets[:, k], outputs[:, k]) for k in (0, 1, 3, 4)]
    )
    assert mean_average_precision(torch.from_numpy(outputs), torch.from_numpy(targets)) == pytest.approx(
        expected
    )


def test_solved_looks_in_the_metrics_direction() -> None:
    error = Metric("mean_squared_error", mean_squared_error, higher_is_better=False, solved=0.1)
    assert error.is_solved(0.05)
    assert not error.is_solved(0.2)
    assert Metric("accuracy", accuracy, solved=0.99, is_share=True).is_solved(0.995)
    assert Metric("accuracy", accuracy, is_share=True).is_solved(1.0) is None
    assert mean_squared_error(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [0.0]])) == 5


def test_mean_average_precision_of_no_label_is_0() -> None:
    assert mean_average_precision(torch.rand(5, 3), torch.zeros(5, 3)) == 0


values = hnp.arrays(np.float32, (20, 3), elements=st.floats(-100, 100, width=16))


@given(values, values)
def test_r_squared_is_the_mean_over_the_values_that_vary(outputs: np.ndarray, targets: np.ndarray) -> None:
    found = r_squared(torch.from_numpy(outputs), torch.from_numpy(targets))
    varying = [k for k in range(3) if np.ptp(targets[:, k]) > 0]
    expected = [sklearn.metrics.r2_score(targets[:, k].astype(float), outputs[:, k]) for k in varying]
    assert found == pytest.approx(np.mean(expected) if varying else 0, rel=1e-6)
