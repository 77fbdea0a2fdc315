"""How metrics are called where people read them: R² for `r2`, balanced accuracy for `balanced_accuracy`."""

_LABELS = {"r2": "R²", "f1": "F1", "rmse": "RMSE", "mae": "MAE"}


def metric_label(name: str) -> str:
    """The text for a metric's name, as in tables and on axes."""
    return _LABELS.get(name, name.replace("_", " "))
