"""`fit` and `predict` on arrays, for notebooks and for users of scikit-learn.

    SkipClassifier    one class a sequence
    SkipRegressor     one value or several a sequence

They follow scikit-learn's conventions (get_params, clone, cross_val_score, GridSearchCV), but X is a batch of
sequences: [N, T, F], or a list of N arrays [T, F] of different lengths.
"""

from skiprnn.estimators.classifier import SkipClassifier
from skiprnn.estimators.regressor import SkipRegressor

__all__ = ["SkipClassifier", "SkipRegressor"]
