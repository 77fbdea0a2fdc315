"""A loss that is not finite ends the training: every gradient of it is dropped, so that more epochs change nothing."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from skiprnn.recipe import Recipe


class TrainingDivergedError(RuntimeError):
    """A loss is not finite any more."""


def check_batches(losses: Sequence[Tensor], epoch: int, recipe: Recipe) -> None:
    """Raise TrainingDivergedError for the first loss that is not finite, of those of an epoch's batches.

    Args:
        epoch: its number, from 0.
    """
    every = torch.stack(list(losses))
    bad = (~torch.isfinite(every)).nonzero()
    if len(bad):
        batch = int(bad[0])
        raise _diverged(
            f"training loss in batch {batch + 1} of {len(losses)}", float(every[batch]), epoch, recipe
        )


def check_validation(loss: float, epoch: int, recipe: Recipe) -> None:
    """Raise TrainingDivergedError where the validation loss after an epoch, the first is 0, is not finite."""
    if not math.isfinite(loss):
        raise _diverged("validation loss", loss, epoch, recipe)


def _diverged(name: str, loss: float, epoch: int, recipe: Recipe) -> TrainingDivergedError:
    return TrainingDivergedError(
        f"epoch {epoch + 1} of {recipe.epochs}: expected a finite {name}, got {loss}; try a learning_rate below "
        f"{recipe.learning_rate:g} or a clip below {recipe.clip:g}, and look for extreme values in the data"
    )
