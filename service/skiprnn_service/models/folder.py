"""What lies in the model folder, by name and version; nothing is loaded here.

    DIR/NAME.onnx                     version 1 of NAME
    DIR/NAME/VERSION.onnx             a version of NAME
    DIR/NAME/VERSION/model.onnx       the same, in Triton's layout
    …/X.recording.csv                 beside X.onnx: samples for the dashboard to play

Hidden files are ignored: an export in progress is one. Whatever has the name of a bundle is listed, also what is no
file, so that the reason why it is not served can be given. Names are the file system's: they may hold control
characters and bytes that are no UTF-8.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from skiprnn_service.errors import ModelError

LAYOUTS = "NAME.onnx, NAME/VERSION.onnx or NAME/VERSION/model.onnx"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # goes into URLs as it is
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
RECORDING = ".recording.csv"  # in place of .onnx
MOST_RECORDING_BYTES = 1 << 20  # each is held in memory

_TRITON_FILE = "model.onnx"
_MOST_BYTES = 2**31 - 1  # of a protobuf message
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

Stamp = tuple[int, int, int]  # what changes with a file: time, size, inode


class ModelFile(NamedTuple):
    """A file that by its place is a version of a model. `problem`: why it cannot be one, where that is known."""

    name: str
    version: str
    path: Path
    problem: str = ""


def files(folder: Path) -> list[ModelFile]:
    """All of them, versions ascending.

    Raises:
        ModelError: the folder cannot be read.
    """
    try:
        return sorted(_in_folder(folder), key=_by_version)
    except OSError as error:
        raise ModelError(f"model folder: {error}") from error


def others(folder: Path, most: int = 5) -> list[str]:
    """Names of what is in the folder, to say what was found where no model is."""
    with contextlib.suppress(OSError):
        return [path.name for path in sorted(_visible(folder))[:most]]
    return []


def stamps(folder: Path) -> dict[Path, Stamp]:
    """What tells whether a file was added, removed or changed. Raises ModelError as `files`."""
    found = {}
    for file in files(folder):
        with contextlib.suppress(OSError):  # removed just now, or a link to nowhere
            known = file.path.stat()
            found[file.path] = (known.st_mtime_ns, known.st_size, known.st_ino)
    return found


def read_file(path: Path, *, most: int = _MOST_BYTES) -> bytes:
    """The bytes of a regular file. It never waits, as opening a FIFO would.

    Raises:
        ModelError: it is something else, or larger than `most` bytes.
        OSError: it cannot be read.
    """
    known = path.stat()
    kind = stat.S_IFMT(known.st_mode)
    if kind != stat.S_IFREG:
        raise ModelError(f"expected a file, got {_KINDS.get(kind, 'something else')}")
    if known.st_size > most:
        raise ModelError(f"expected a file of {most} bytes at most, got {known.st_size}")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(known.st_size + 1)


def check_name(name: str, version: str) -> None:
    """Raise ModelError for a name that does not fit into a URL, or a version that is no whole number."""
    if not _NAME.fullmatch(name):
        raise ModelError(f"name: expected letters, digits, '.', '_' and '-', at most 128, got {name!r}")
    if not _VERSION.fullmatch(version):
        raise ModelError(f"version: expected a whole number from 1 on, got {version!r}")


def _visible(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if not path.name.startswith("."))


def _in_folder(folder: Path) -> Iterator[ModelFile]:
    for path in _visible(folder):
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where the folder may not be searched
            yield from _in_subfolder(path)
        elif path.suffix == ".onnx":
            yield ModelFile(path.stem, "1", path)


def _in_subfolder(folder: Path) -> Iterator[ModelFile]:
    """Versions of one model; a folder without any is none of ours, unless it has the name of a file."""
    try:
        found = [file for path in _visible(folder) for file in _version(folder.name, path)]
    except OSError as error:
        if _NAME.fullmatch(folder.name):  # else it is something like lost+found
            yield ModelFile(folder.name, "", folder, f"cannot be read: {error.strerror}")
        return
    if not found and folder.suffix == ".onnx":
        yield ModelFile(folder.stem, "1", folder)
    yield from found


def _version(name: str, path: Path) -> Iterator[ModelFile]:
    if path.suffix == ".onnx":
        yield ModelFile(name, path.stem, path)
    elif path.name.isdecimal() and os.path.isdir(path):  # noqa: PTH112 - as above
        inner = path / _TRITON_FILE
        there = os.path.lexists(inner)
        yield ModelFile(name, path.name, inner if there else path, "" if there else _nothing_in(path))


def _nothing_in(folder: Path) -> str:
    return f"expected {_TRITON_FILE} in it, found {others(folder) or 'nothing'}"


def _by_version(file: ModelFile) -> tuple[str, int, str, Path]:
    """Whole numbers without leading zeros are in order by length, then by digits."""
    return file.name, len(file.version), file.version, file.path
