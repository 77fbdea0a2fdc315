"""`python -m skiprnn.results`: the old place of `skiprnn.training.results`, for this release."""

import sys

from skiprnn.lazy import warn_renamed
from skiprnn.training.results import main, table

__all__ = ["main", "table"]

if __name__ != "__main__":
    warn_renamed("skiprnn.results", "skiprnn.training.results")
else:
    print("warning: python -m skiprnn.results is now python -m skiprnn.training.results", file=sys.stderr)
    main()
