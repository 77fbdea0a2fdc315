"""Training: an experiment (task, recipe, seed) → a trained network and its results, in a run folder.

Experiment     what to train
fit            train it
"""

from typing import TYPE_CHECKING

from skiprnn.lazy import lazy_names

if TYPE_CHECKING:
    from skiprnn.training.divergence import TrainingDivergedError
    from skiprnn.training.experiment import Experiment, build
    from skiprnn.training.learner import Learner
    from skiprnn.training.trainer import TrainingInterruptedError, fit

__all__ = ["Experiment", "Learner", "TrainingDivergedError", "TrainingInterruptedError", "build", "fit"]

__getattr__ = lazy_names(
    __name__,
    {
        "Experiment": "skiprnn.training.experiment",
        "Learner": "skiprnn.training.learner",
        "TrainingDivergedError": "skiprnn.training.divergence",
        "TrainingInterruptedError": "skiprnn.training.trainer",
        "build": "skiprnn.training.experiment",
        "fit": "skiprnn.training.trainer",
    },
    renamed={"Plan": "skiprnn.training.Experiment"},
)
