"""`skiprnn.run`: the old place of `skiprnn.training.run_folder`, for this release."""

from skiprnn.lazy import warn_renamed
from skiprnn.training.run_folder import RunFolder

__all__ = ["RunFolder"]

warn_renamed("skiprnn.run", "skiprnn.training.run_folder")
