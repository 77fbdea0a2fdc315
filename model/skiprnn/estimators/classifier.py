"""SkipClassifier: one class a sequence."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin

from skiprnn.estimators.base import Sequences, SkipEstimator
from skiprnn.metrics import Metric, accuracy


class SkipClassifier(ClassifierMixin, SkipEstimator):  # type: ignore[misc]
    """One class a sequence.

    Args:
        update_rate: target share of the samples that update the network, in (0, 1]; None: all of them do.
        cell, hidden_size, num_layers: the network's shape; `start` brings its own.
        epochs, batch_size, learning_rate: of the training.
        held_out: share of the sequences that `results_` is measured on, in (0, 1); they are not trained on.
        random_state: seed of weights, data and dropout.
        start: a network that was trained already (`SkipNetwork.from_torch`), to continue from.
        recipe: other fields of `skiprnn.recipe.Recipe`, by name.
        run: folder for the run's files (history, checkpoints); None keeps none.
        verbose: show a progress bar.

    Attributes:
        classes_: names of the classes, sorted; those of `start`, in its order, where it names them.
    """

    def fit(self, X: Sequences, y: ArrayLike) -> Self:
        """Train on X ([N, T, F], or N times [T, F]) and the class of each sequence, y [N].

        Raises:
            ValueError: shapes that do not fit, values that are not finite, fewer than two classes.
        """
        self.classes_, numbers = self._classes(np.asarray(y))
        if len(self.classes_) < 2 or numbers.ndim != 1:
            raise ValueError(
                f"y: expected [N] of two classes at least, got {np.shape(y)} of {self.classes_[:5].tolist()}"
            )
        network = {"output_size": len(self.classes_), "classes": tuple(map(str, self.classes_))}
        return self._fit(X, torch.from_numpy(numbers), network, Metric("accuracy", accuracy, is_share=True))

    def _classes(self, y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Names of the classes, sorted or in the order of `start`, and the number of each sequence's class."""
        classes, numbers = np.unique(y, return_inverse=True)
        if self.start is None or not self.start.config.classes:
            return classes, numbers
        order = {name: number for number, name in enumerate(self.start.config.classes)}
        if unknown := [name for name in classes.tolist() if str(name) not in order]:
            raise ValueError(f"y: expected classes among those of start, {list(order)}, got {unknown}")
        return np.array(list(order)), np.array([order[str(name)] for name in y.tolist()])

    def predict_proba(self, X: Sequences) -> NDArray[np.float32]:
        """Probabilities of the classes, [N, K], in the order of `classes_`."""
        return self._outputs(X)

    def predict(self, X: Sequences) -> NDArray[Any]:
        """The most probable class of each sequence, [N]."""
        classes: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return classes
