"""Files of sequences and of scores: compressed by gzip where the name ends in .gz."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from skiprnn_cli.score.parts import atomic


@contextmanager
def sequences(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """What is in a file, and the file itself, which tells how much of it has been read."""
    with path.open("rb") as file:
        if not _is_packed(path):
            yield file, file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast(BinaryIO, unpacked), file


@contextmanager
def scores(path: Path) -> Iterator[BinaryIO]:
    """A file that exists once the block ends without an error."""
    with atomic(path) as file:
        if not _is_packed(path):
            yield file
            return
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
            yield cast(BinaryIO, packed)


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"
