"""Large sequences and scores wait in temporary files, and their disk may be full."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from skiprnn_service.errors import DiskFullError


@contextmanager
def enough_disk_space() -> Iterator[None]:
    """Raises DiskFullError where a write in the block finds the disk full."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFullError(
            f"{tempfile.gettempdir()}: expected space for sequences and scores, the disk is full: "
            "set TMPDIR to a larger one, or lower max_score_bytes"
        ) from None
