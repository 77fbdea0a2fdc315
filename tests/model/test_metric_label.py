"""Names of metrics as people read them."""

import pytest

from skiprnn.metric_label import metric_label
from skiprnn.metrics import Metric, r_squared


@pytest.mark.parametrize(
    ("name", "label"),
    [("r2", "R²"), ("f1", "F1"), ("rmse", "RMSE"), ("balanced_accuracy", "balanced accuracy")],
)
def test_a_name_is_shown_as_the_field_writes_it(name: str, label: str) -> None:
    assert metric_label(name) == label


def test_a_metric_has_its_label() -> None:
    assert Metric("r2", r_squared).label == "R²"
