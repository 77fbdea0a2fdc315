"""`skiprnn.plots`: the old place of `skiprnn.training.plots`, for this release."""

from skiprnn.lazy import warn_renamed
from skiprnn.training.plots import plot_front, plot_run

__all__ = ["plot_front", "plot_run"]

warn_renamed("skiprnn.plots", "skiprnn.training.plots")
