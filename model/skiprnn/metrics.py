"""Metrics: outputs of a network and their targets → one number."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Metric(NamedTuple):
    """A number that says how good outputs are.

    Attributes:
        name: its key in logs and facts.
        compute: outputs [N, K] (probabilities, or raw units) and targets [N] or [N, K] → the number.
        higher_is_better: accuracy against error.
        solved: the value from which the paper calls its task solved; None where it does not say.
    """

    name: str
    compute: Callable[[Tensor, Tensor], float]
    higher_is_better: bool = True
    solved: float | None = None

    def is_solved(self, value: float) -> bool | None:
        """Does a value meet the criterion? None where there is none."""
        if self.solved is None:
            return None
        return value > self.solved if self.higher_is_better else value < self.solved


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Share of the sequences whose most probable class is the right one."""
    return float((outputs.argmax(1) == targets).double().mean())


def balanced_accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Mean over the classes that occur of the share of their sequences that are recognised."""
    right = (outputs.argmax(1) == targets).double()
    share = torch.bincount(targets, right) / torch.bincount(targets)  # of a class that does not occur: NaN
    return float(share.nanmean())


def mean_squared_error(outputs: Tensor, targets: Tensor) -> float:
    """Mean over sequences and values of (output − target)², in raw units."""
    return float(((outputs - targets) ** 2).double().mean())


def mean_average_precision(outputs: Tensor, targets: Tensor) -> float:
    """Mean over the labels that occur of the average precision of their probabilities [N, K]."""
    from sklearn.metrics import average_precision_score

    occurring = targets.any(dim=0)
    return float(average_precision_score(targets[:, occurring].numpy(), outputs[:, occurring].numpy()))
