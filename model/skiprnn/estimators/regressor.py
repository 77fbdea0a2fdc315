"""SkipRegressor: one value or several a sequence."""

from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from skiprnn.data.scale import mean_and_std
from skiprnn.estimators.base import Sequences, SkipEstimator
from skiprnn.metrics import Metric, mean_squared_error


class SkipRegressor(RegressorMixin, SkipEstimator):  # type: ignore[misc]
    """One value or several a sequence, in raw units. See `SkipClassifier` for the parameters."""

    def fit(self, X: Sequences, y: ArrayLike) -> Self:
        """Train on X ([N, T, F], or N times [T, F]) and the values of each sequence, y [N] or [N, K].

        Raises:
            ValueError: shapes that do not fit, values that are not finite. The estimator stays as it was.
        """
        values = np.asarray(y, np.float64)
        if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
            raise ValueError(f"y: expected finite values [N] or [N, K], got {values.shape}")
        one = values.ndim == 1
        values = values.reshape(len(values), -1)
        network = {"output_size": values.shape[1], "task": "sequence_regression"}
        mean, std = mean_and_std([values.astype(np.float32)])
        self._fit(
            X,
            torch.from_numpy(values).float(),
            network,
            Metric("mean_squared_error", mean_squared_error, False),
            target_mean=mean,
            target_std=std,
        )
        self._one = one
        return self

    def predict(self, X: Sequences) -> NDArray[np.float32]:
        """Values of each sequence, [N] or [N, K], as in `fit`."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._one else outputs
