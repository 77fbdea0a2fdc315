"""The files of a folder that are recordings. Which are passed over, and why, is logged."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from skiprnn.data.file_kind import file_kind

SUFFIXES = (".csv", ".parquet")

_SHOWN = 5  # names in a message
_log = logging.getLogger(__name__)


def find_recordings(folder: Path) -> list[Path]:
    """Every CSV and Parquet file of a folder and of the folders in it, in order; hidden ones are passed over.

    Raises:
        ValueError: there is none, or what has such a name is no file; the message names it.
    """
    visible = [path for path in sorted(folder.rglob("*")) if not _is_hidden(path.relative_to(folder))]
    named = [path for path in visible if path.suffix.lower() in SUFFIXES]
    others = [path for path in visible if path not in set(named) and not path.is_dir()]
    if others:
        names = shown([str(path.relative_to(folder)) for path in others])
        _log.info("passed over, as their names do not end in %s: %s", " or ".join(SUFFIXES), names)
    taken = [path for path in named if not _is_folder(path)]
    if not taken:
        found = shown([str(path.relative_to(folder)) for path in others]) or "none"
        raise ValueError(f"{folder}: expected files ending in {' or '.join(SUFFIXES)}, found {found}")
    return taken


def shown(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_hidden(path: Path) -> bool:
    """What programs leave beside data: `.ipynb_checkpoints`, `.~lock.…`, and `__MACOSX` of archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _is_folder(path: Path) -> bool:
    if path.is_file():
        return False
    if not path.is_dir():
        raise ValueError(f"{path}: expected a recording, found {file_kind(path)}; remove it, or put it right")
    _log.info("%s is a folder: each file in it is a recording", path)
    return True
