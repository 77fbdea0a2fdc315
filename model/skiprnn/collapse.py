"""Notice when the gate has collapsed, and say what helps.

Two ends are known. With too high a price the network reads the first sample and nothing else: then the gate's gradient
dies, and it never comes back. With too low a price it reads everything.
"""

from skiprnn.evaluation import Evaluation
from skiprnn.recipe import Recipe

_FLOOR = 2.5  # updates a sequence: the first sample is always read, and a collapsed gate reads one or two
_CEILING = 0.995  # share of the samples
_PATIENCE = 3  # epochs in a row at the floor

_TOO_FEW = (
    "the gate has collapsed: {updates:.1f} of {samples:.0f} samples are read, and it does not come back from there. "
    "Remedies: a smaller --lambda, a longer --ramp, --warm-start from a run that reads more, "
    "or --rate to aim at a share. If it came late, --set clip_ratio=1 and --set keep=best."
)
_ALL = (
    "the gate reads everything ({rate:.1%}) after the whole training. "
    "Remedies: a larger --lambda, or --rate to aim at a share, or more epochs."
)


class Collapse:
    """Watches the rate from epoch to epoch; `message` says what it saw, None if all is well."""

    def __init__(self, recipe: Recipe) -> None:
        self.message: str | None = None
        self._recipe = recipe
        self._epochs = 0

    def seen(self, result: Evaluation, progress: float) -> bool:
        """Take an epoch's figures; True if going on is pointless.

        Args:
            progress: share of the training that is over.
        """
        recipe = self._recipe
        wanted = 0.0 if recipe.rate is None else recipe.rate * result.samples
        if recipe.cadence is not None or result.samples < 2 * _FLOOR or 0 < wanted < 2 * _FLOOR:
            return False
        self._epochs = self._epochs + 1 if result.updates <= _FLOOR else 0
        wants_skips = recipe.budget > 0 or (recipe.rate is not None and recipe.rate < _CEILING)
        if self._epochs >= _PATIENCE:
            self.message = _TOO_FEW.format(updates=result.updates, samples=result.samples)
        elif wants_skips and progress >= 1 and result.rate >= _CEILING:
            self.message = _ALL.format(rate=result.rate)
        return self._epochs >= _PATIENCE
