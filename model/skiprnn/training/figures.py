"""Figures of every class, label or value: a network's answers and their targets → a row each.

precision   share of the answers "it is this class" that are right
recall      share of what is of this class that is answered so
f1          2 · precision · recall / (precision + recall)

A figure that nothing defines, such as the precision of a class that is never answered, is None.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skiprnn.network import NetworkConfig

Row = dict[str, Any]


def figures_of(config: NetworkConfig, outputs: Tensor, targets: Tensor) -> list[Row]:
    """The figures of each output of a network.

    Args:
        outputs: [N, K], probabilities or raw units.
        targets: [N], numbers of classes; or [N, K], labels or raw units.
    """
    names = config.output_names
    if config.is_regression:
        return value_figures(outputs, targets, names)
    return (label_figures if config.multi_label else class_figures)(outputs, targets, names)


def class_figures(outputs: Tensor, targets: Tensor, names: Sequence[str]) -> list[Row]:
    """Of each class: how many there are, precision, recall and F1 of the most probable class."""
    counts = confusion(outputs, targets)
    right = counts.diagonal()
    return [
        {"name": name, "count": int(counts[k].sum())} | _rates(right[k], counts[:, k].sum(), counts[k].sum())
        for k, name in enumerate(names)
    ]


def confusion(outputs: Tensor, targets: Tensor) -> NDArray[np.int64]:
    """How often a class (row) was answered as each class (column), [K, K]."""
    K = outputs.shape[1]
    counts = torch.bincount(targets * K + outputs.argmax(dim=1), minlength=K * K)
    found: NDArray[np.int64] = counts.view(K, K).numpy()
    return found


def label_figures(outputs: Tensor, targets: Tensor, names: Sequence[str]) -> list[Row]:
    """Of each label: how often it holds; precision, recall and F1 at a probability of 0.5; average precision."""
    from sklearn.metrics import average_precision_score

    said, holds = (outputs >= 0.5).numpy(), (targets > 0.5).numpy()
    rows = []
    for k, name in enumerate(names):
        right = (said[:, k] & holds[:, k]).sum()
        row = {"name": name, "count": int(holds[:, k].sum())} | _rates(
            right, said[:, k].sum(), holds[:, k].sum()
        )
        occurs = holds[:, k].any()
        average = float(average_precision_score(holds[:, k], outputs[:, k].numpy())) if occurs else None
        rows.append(row | {"average_precision": average})
    return rows


def value_figures(outputs: Tensor, targets: Tensor, names: Sequence[str]) -> list[Row]:
    """Of each value: root mean square and mean absolute error in raw units; R², None where it never varies."""
    errors, values = (outputs.double() - targets.double()).numpy(), targets.double().numpy()
    rows = []
    for k, name in enumerate(names):
        error, target = errors[:, k], values[:, k]
        square = float(np.square(error).mean())
        varies = target.max() > target.min()
        r2 = float(1 - square / target.var()) if varies else None
        row = {
            "name": name,
            "count": len(target),
            "rmse": math.sqrt(square),
            "mae": float(np.abs(error).mean()),
        }
        rows.append(row | {"r2": r2})
    return rows


def update_rates(counts: Sequence[tuple[str, float, float]]) -> dict[str, Any]:
    """Of all samples, the quartiles over recordings, and the recordings at both ends.

    Args:
        counts: of each recording its name, updates and samples.
    """
    rates = [updates / samples for _, updates, samples in counts]
    ends = {"lowest": int(np.argmin(rates)), "highest": int(np.argmax(rates))}
    return {
        "mean": sum(updates for _, updates, _ in counts) / sum(samples for _, _, samples in counts),
        "quartiles": np.quantile(rates, (0, 0.25, 0.5, 0.75, 1)).tolist(),
    } | {end: {"name": counts[n][0], "update_rate": rates[n]} for end, n in ends.items()}


def _rates(right: Any, answered: Any, there: Any) -> dict[str, float | None]:
    return {
        "precision": _ratio(right, answered),
        "recall": _ratio(right, there),
        "f1": _ratio(2 * right, answered + there),
    }


def _ratio(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None
