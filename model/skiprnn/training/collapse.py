"""Detect a collapsed gate, and say what helps.

There are two ways to collapse. With too large a λ the network updates at the first sample and never again: the gate's
gradient vanishes, and it does not recover. With too small a λ it updates at every sample.
"""

from skiprnn.recipe import Recipe
from skiprnn.training.evaluation import Evaluation

_FLOOR = (
    2.5  # updates a sequence: the first sample always updates, and a collapsed gate updates once or twice
)
_CEILING = 0.995  # share of the samples
_PATIENCE = 3  # epochs in a row at the floor

_TOO_FEW = (
    "the gate has collapsed: {updates:.1f} updates in {samples:.0f} samples; it does not recover from that. "
    "Remedies: a smaller λ, a longer ramp, a warm start from a run with a higher update rate, "
    "or an update rate in place of λ. If it happened late, clip_ratio=1 and keep=best."
)
_ALL = (
    "the update rate is {rate:.1%} after the whole training: the gate skips nothing. "
    "Remedies: a larger λ, an update rate in place of λ, or more epochs."
)


class Collapse:
    """Watches the update rate from epoch to epoch; `message` says what is wrong, None if nothing is."""

    def __init__(self, recipe: Recipe) -> None:
        self.message: str | None = None
        self._recipe = recipe
        self._epochs = 0

    def detected(self, result: Evaluation, progress: float) -> bool:
        """Take an epoch's results; True if more training cannot help.

        Args:
            progress: share of the training that is over.
        """
        recipe = self._recipe
        target = 0.0 if recipe.target_rate is None else recipe.target_rate * result.samples
        if recipe.schedule is not None or result.samples < 2 * _FLOOR or 0 < target < 2 * _FLOOR:
            return False
        self._epochs = self._epochs + 1 if result.updates <= _FLOOR else 0
        skips_wanted = recipe.lambda_ > 0 or (
            recipe.target_rate is not None and recipe.target_rate < _CEILING
        )
        if self._epochs >= _PATIENCE:
            self.message = _TOO_FEW.format(updates=result.updates, samples=result.samples)
        elif skips_wanted and progress >= 1 and result.update_rate >= _CEILING:
            self.message = _ALL.format(rate=result.update_rate)
        return self._epochs >= _PATIENCE
