"""What the estimators share: sequences in, a trained network, its outputs and how often it updates."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skiprnn.data.dataset import Split, data_set, held_out, of_signals
from skiprnn.data.scale import mean_and_std
from skiprnn.data.types import Data, Signal
from skiprnn.metrics import Metric
from skiprnn.network import Cell, NetworkOutput, SkipNetwork
from skiprnn.paths import StrPath
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task
from skiprnn.training.experiment import Experiment
from skiprnn.training.trainer import fit

Sequences = ArrayLike | Sequence[ArrayLike]  # [N, T, F], or N times [T, F]

_NAMED = ("features", "targets", "sample_rate")  # what a network to continue from says of its data
_TOGETHER = 256  # sequences that are predicted at once
_KEPT = 8  # sequences for the comparison at export


class SkipEstimator(BaseEstimator):  # type: ignore[misc]
    """What both share. See `SkipClassifier` for the parameters.

    Attributes:
        network_: the trained SkipNetwork.
        results_: of the training, as in a run's training.json; of the held-out sequences.
        n_features_in_: F.
        samples_: a few sequences that were not trained on, for the comparison at export.
    """

    def __init__(
        self,
        *,
        update_rate: float | None = 0.25,
        cell: Cell = "gru",
        hidden_size: int = 64,
        num_layers: int = 1,
        epochs: int = 16,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        held_out: float = 0.2,
        random_state: int = 0,
        start: SkipNetwork | None = None,
        recipe: Mapping[str, Any] | None = None,
        run: StrPath | None = None,
        verbose: bool = False,
    ) -> None:
        self.update_rate = update_rate
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.held_out = held_out
        self.random_state = random_state
        self.start = start
        self.recipe = recipe
        self.run = run
        self.verbose = verbose

    def _fit(
        self, X: Sequences, y: Tensor, network: Mapping[str, Any], metric: Metric, **scales: Any
    ) -> Self:
        signals = _signals(X)
        if len(signals) != len(y):
            raise ValueError(f"y: expected one a sequence ({len(signals)}), got {len(y)}")
        named = {} if self.start is None else {key: getattr(self.start.config, key) for key in _NAMED}
        sizes = {"input_size": signals[0].shape[1], **named, **network}
        data = _data(signals, y, sizes, self.batch_size, self.held_out, **scales)
        name = type(self).__name__ if self.start is None else self.start.config.name
        task = Task(name, name, metric, _loads(data), recipe := self._recipe(), recipe)
        experiment = Experiment(task, recipe, self.random_state, warm_start=self.start)
        with tempfile.TemporaryDirectory() as temporary:
            run = Path(temporary, "run") if self.run is None else Path(self.run)
            self.results_ = fit(experiment, run, progress_bar=self.verbose)
            self.network_ = SkipNetwork.load(run)
        self.samples_ = list(data.samples)
        self.n_features_in_ = signals[0].shape[1]
        return self

    def _recipe(self) -> Recipe:
        shape = {"cell": self.cell, "hidden_size": self.hidden_size, "num_layers": self.num_layers}
        if self.start is not None:
            shape = {name: getattr(self.start.config, name) for name in (*shape, "reset_after", "dropout")}
        rate = (
            {"schedule": "uniform", "target_rate": 1.0}
            if self.update_rate is None
            else {"target_rate": self.update_rate}
        )
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            learning_rate_schedule="cosine",
            ramp=0.5,
            keep="last",
        ).changed(shape | rate | dict(self.recipe or {}))

    def _run(self, X: Sequences) -> list[NetworkOutput]:
        check_is_fitted(self, "network_")
        signals = _signals(X, self.n_features_in_)
        fetch = of_signals(signals, torch.zeros(len(signals)))
        with torch.no_grad():
            batches = [
                fetch(np.arange(start, min(start + _TOGETHER, len(signals))))
                for start in range(0, len(signals), _TOGETHER)
            ]
            return [
                self.network_(batch.x, batch.lengths, forced_gates=self._forced(batch.x)) for batch in batches
            ]

    def _forced(self, x: Tensor) -> Tensor | None:
        """Without an update rate every sample updates."""
        return torch.ones(x.shape[:2]) if self.update_rate is None else None

    def _outputs(self, X: Sequences) -> NDArray[np.float32]:
        """[N, K] after the last sample."""
        outputs: NDArray[np.float32] = torch.cat(
            [self.network_.activate(out.logits) for out in self._run(X)]
        ).numpy()
        return outputs

    def updates(self, X: Sequences) -> NDArray[np.int64]:
        """How many samples of each sequence update the network, [N]."""
        counts: NDArray[np.int64] = torch.cat([out.gates.sum(1) for out in self._run(X)]).long().numpy()
        return counts


def _signals(X: Sequences, features: int | None = None) -> list[Signal]:
    """Float32 [T, F] each. Raises ValueError: a shape that does not fit, or a value that is not finite."""
    signals = [np.asarray(x, np.float32) for x in X]  # type: ignore[union-attr]
    if not signals:
        raise ValueError("X: expected sequences, got none")
    expected = features or (signals[0].shape[1] if signals[0].ndim == 2 else None)
    for index, signal in enumerate(signals):
        if signal.ndim != 2 or signal.shape[1] != expected or not len(signal):
            raise ValueError(
                f"X: expected [N, T, F] or N arrays [T, {expected or 'F'}], got {signal.shape} in sequence {index}"
            )
        if not np.isfinite(signal).all():
            raise ValueError(f"X: expected finite numbers, got others in sequence {index}")
    return signals


def _data(
    signals: Sequence[Signal],
    y: Tensor,
    network: Mapping[str, Any],
    size: int,
    share: float,
    **scales: Any,
) -> Data:
    """A random share of the sequences is held out; the network's scale is that of the others."""
    train, test = held_out(len(signals), share)
    if not len(train) or not len(test):
        raise ValueError(
            f"held_out: expected a share that leaves sequences in both parts, got {share} of {len(signals)}"
        )
    mean, std = mean_and_std([signals[index] for index in train])
    data = data_set(
        network,
        of_signals(signals, y),
        Split(train, test, test[:0]),
        size,
        lengths=np.array([len(signal) for signal in signals]),
        mean=mean,
        std=std,
        samples=[signals[index] for index in test[:_KEPT]],
    )
    return dataclasses.replace(data, **scales)


def _loads(data: Data) -> Any:
    def load(_source: Source) -> Data:
        return data

    return load
