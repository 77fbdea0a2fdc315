"""`skiprnn.tasks.csv`: the old place of `skiprnn.tasks.recordings`, for this release."""

from skiprnn.lazy import warn_renamed
from skiprnn.tasks.recordings import TASK

__all__ = ["TASK"]

warn_renamed("skiprnn.tasks.csv", "skiprnn.tasks.recordings")
