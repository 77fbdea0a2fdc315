"""The files of a folder that are recordings. Which are passed over, and why, is logged."""

import hashlib
import logging
from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from skiprnn.data.file_kind import file_kind
from skiprnn.data.summary import entry
from skiprnn.dialect import is_table, open_text

TEXT = (".csv", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")
SUFFIXES = (*TEXT, *(f"{suffix}.gz" for suffix in TEXT), *PARQUET)

_ENDINGS = f"{', '.join((*TEXT, PARQUET[0]))} or {PARQUET[1]} (text also in .gz)"
_SHOWN = 5  # names in a message
_log = logging.getLogger(__name__)


def find_recordings(data: Path, besides: Collection[Path] = ()) -> list[Path]:
    """Every table of a folder and of the folders in it, in order; hidden ones are passed over. A file is itself.

    Args:
        besides: files that are something else.

    Raises:
        ValueError: there is none, or what has such a name is no file; the message names it.
    """
    if data.is_file():
        if suffix_of(data) not in SUFFIXES:
            raise ValueError(f"{data}: expected a name ending in {_ENDINGS}, got {data.name!r}")
        return [data]
    visible = [path for path in sorted(data.rglob("*")) if not is_hidden(path.relative_to(data))]
    named = [path for path in visible if suffix_of(path) in SUFFIXES]
    others = [path for path in visible if path not in set(named) and not path.is_dir()]
    elsewhere = {path.resolve() for path in besides}
    taken = [path for path in named if not _is_folder(path) and path.resolve() not in elsewhere]
    prose = [path for path in taken if is_prose(path)]
    _say(data, f"their names do not end in {_ENDINGS}", others)
    _say(data, "text without columns", prose)
    if not (recordings := [path for path in taken if path not in set(prose)]):
        found = shown([str(path.relative_to(data)) for path in others + prose]) or "none"
        raise ValueError(f"{data}: expected files ending in {_ENDINGS}, found {found}")
    return recordings


def suffix_of(path: Path) -> str:
    """`.csv`, `.csv.gz`, …"""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def stem(name: str) -> str:
    """A file's name without what says its kind."""
    path = Path(name)
    suffix = suffix_of(path)
    return name[: len(name) - len(suffix)] if suffix in SUFFIXES else name


def shown(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_prose(path: Path) -> bool:
    """Whether a `.txt` is no table: its first lines do not have as many cells, two at least."""
    if path.suffix.lower() != ".txt":
        return False
    try:
        with open_text(path) as file:
            return not is_table(list(islice((line for line in file if line.strip()), 3)))
    except UnicodeDecodeError:
        return False  # the reader says what it is


def is_hidden(path: Path) -> bool:
    """What programs leave beside data: `.ipynb_checkpoints`, `.~lock.…`, and `__MACOSX` of archives.

    Args:
        path: within the folder of the data.
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _say(data: Path, why: str, paths: Sequence[Path]) -> None:
    if paths:
        names = shown([str(path.relative_to(data)) for path in paths])
        _log.info("%s", entry("passed over", f"{names} ({why})"))


def _is_folder(path: Path) -> bool:
    if path.is_file():
        return False
    if not path.is_dir():
        raise ValueError(f"{path}: expected a recording, found {file_kind(path)}; remove it, or put it right")
    _log.info("%s", entry("folder", f"{path} is a folder: each file in it is a recording"))
    return True
