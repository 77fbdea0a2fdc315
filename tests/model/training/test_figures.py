"""Figures of classes, labels and values against scikit-learn's."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skiprnn import Feature, NetworkConfig
from skiprnn.training.figures import class_figures, confusion, figures_of, label_figures, value_figures

NAMES = ["a", "b", "c", "d"]
probabilities = hnp.arrays(np.float32, (30, 4), elements=st.floats(0, 1, width=32))
numbers = hnp.arrays(np.int64, 30, elements=st.integers(0, 3))
labels = hnp.arrays(np.float32, (30, 4), elements=st.sampled_from([0.0, 1.0]))
values = hnp.arrays(np.float32, (30, 2), elements=st.floats(-100, 100, width=16))


@given(probabilities, numbers)
def test_figures_of_classes_are_the_usual_ones(outputs: np.ndarray, targets: np.ndarray) -> None:
    rows = class_figures(torch.from_numpy(outputs), torch.from_numpy(targets), NAMES)
    expected = sklearn.metrics.precision_recall_fscore_support(
        targets, outputs.argmax(1), labels=range(4), zero_division=np.nan
    )
    for row, precision, recall, f1, count in zip(rows, *expected, strict=True):
        assert row["count"] == count
        for found, usual in ((row["precision"], precision), (row["recall"], recall), (row["f1"], f1)):
            assert found == (None if np.isnan(usual) else pytest.approx(usual))


@given(probabilities, numbers)
def test_the_confusion_matrix_is_the_usual_one(outputs: np.ndarray, targets: np.ndarray) -> None:
    found = confusion(torch.from_numpy(outputs), torch.from_numpy(targets))
    expected = sklearn.metrics.confusion_matrix(targets, outputs.argmax(1), labels=range(4))
    np.testing.assert_array_equal(found, expected)


@given(probabilities, labels)
def test_figures_of_labels_are_those_of_each_by_itself(outputs: np.ndarray, targets: np.ndarray) -> None:
    rows = label_figures(torch.from_numpy(outputs), torch.from_numpy(targets), NAMES)
    for k, row in enumerate(rows):
        said = outputs[:, k] >= 0.5
        right = (said & (targets[:, k] == 1)).sum()
        assert row["count"] == targets[:, k].sum()
        assert row["precision"] == (pytest.approx(right / said.sum()) if said.any() else None)
        if row["count"]:
            average = sklearn.metrics.average_precision_score(targets[:, k], outputs[:, k])
            assert row["average_precision"] == pytest.approx(average)
        else:
            assert row["average_precision"] is None


@given(values, values)
def test_figures_of_values_are_in_raw_units(outputs: np.ndarray, targets: np.ndarray) -> None:
    rows = value_figures(torch.from_numpy(outputs), torch.from_numpy(targets), ["speed [m/s]", "load [kg]"])
    for k, row in enumerate(rows):
        pair = targets[:, k].astype(float), outputs[:, k].astype(float)
        assert row["rmse"] == pytest.approx(sklearn.metrics.root_mean_squared_error(*pair))
        assert row["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(*pair))
        varies = np.ptp(pair[0]) > 0
        assert row["r2"] == (pytest.approx(sklearn.metrics.r2_score(*pair), rel=1e-6) if varies else None)


def test_rows_are_named_as_the_network_names_its_outputs() -> None:
    unnamed = NetworkConfig("made", "gru", 1, 4, 2)
    named = NetworkConfig(
        "made", "gru", 1, 4, 2, task="step_regression", targets=(Feature("speed", "m/s"), Feature("load"))
    )
    outputs, targets = torch.rand(5, 2), torch.tensor([0, 1, 0, 1, 1])
    assert [row["name"] for row in figures_of(unnamed, outputs, targets)] == ["y0", "y1"]
    assert [row["name"] for row in figures_of(named, outputs, outputs)] == ["speed [m/s]", "load"]
