"""Metrics: outputs of a network and their targets → one number."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from skiprnn.metric_label import metric_label


class Measure(Protocol):
    """How a number is read: a Metric, or the EventMetric of whole streams."""

    @property
    def name(self) -> str:
        """Its key in logs and facts."""

    @property
    def higher_is_better(self) -> bool:
        """Accuracy against error."""

    @property
    def is_share(self) -> bool:
        """Is it in [0, 1], so that people read it in percent?"""


class Metric(NamedTuple):
    """A number that says how good outputs are.

    Attributes:
        name: its key in logs and facts.
        compute: outputs [N, K] (probabilities, or raw units) and targets [N] or [N, K] → the number.
        higher_is_better: accuracy against error.
        solved: the value from which the paper calls its task solved; None where it does not say.
        is_share: the number is in [0, 1], and people read it in percent: accuracy is a share, R² and errors are not.
    """

    name: str
    compute: Callable[[Tensor, Tensor], float]
    higher_is_better: bool = True
    solved: float | None = None
    is_share: bool = False

    @property
    def label(self) -> str:
        """Its name for people."""
        return metric_label(self.name)

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


def r_squared(outputs: Tensor, targets: Tensor) -> float:
    """Mean over the values that vary of R² = 1 − Σ (output − target)² / Σ (target − mean)²; 0 where none varies."""
    outputs, targets = outputs.double(), targets.double()
    varies = targets.amax(dim=0) > targets.amin(dim=0)  # [K]
    spread = ((targets - targets.mean(dim=0)) ** 2).sum(dim=0)
    explained = 1 - (((outputs - targets) ** 2).sum(dim=0) / spread)[varies]
    return float(explained.mean()) if len(explained) else 0.0


def mean_average_precision(outputs: Tensor, targets: Tensor) -> float:
    """Mean over the labels that occur of the average precision of their probabilities [N, K]; 0 where none occurs."""
    from sklearn.metrics import average_precision_score

    occurring = targets.any(dim=0)
    if not occurring.any():
        return 0.0
    return float(average_precision_score(targets[:, occurring].numpy(), outputs[:, occurring].numpy()))
