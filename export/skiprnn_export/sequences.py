"""Real sequences from the user's files, on which an export is compared with torch."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skiprnn.channels import Feature
from skiprnn.data.files import SUFFIXES, is_hidden, is_prose, suffix_of
from skiprnn.paths import StrPath

Sequences = list[NDArray[np.float32]]


def read_sequences(path: StrPath, features: Sequence[Feature]) -> Sequences:
    """Sequences [T, F] of a file, or of every file in a folder.

    Args:
        path: .npy with one sequence [T, F] or several [N, T, F], .npz with such arrays, or a table as training reads
            it (CSV in whatever dialect, packed or not, Parquet) whose columns are found by the names of the features.
            In a folder, hidden files and text without columns are passed over.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file holds something else; the message names it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file or folder of sequences, found none")
    if not path.is_dir():
        return _read_file(path, features)
    visible = [file for file in sorted(path.rglob("*")) if not is_hidden(file.relative_to(path))]
    files = [
        file for file in visible if suffix_of(file) in _READERS and file.is_file() and not is_prose(file)
    ]
    if not files:
        raise ValueError(f"{path}: expected files ending in {', '.join(_READERS)}, found none")
    return [x for file in files for x in _read_file(file, features)]


def _read_file(path: Path, features: Sequence[Feature]) -> Sequences:
    read = _READERS.get(suffix_of(path))
    if read is None:
        raise ValueError(f"{path}: expected a file ending in {', '.join(_READERS)}")
    sequences = [x for array in read(path, features) for x in _split(array)]
    if bad := next((x.shape for x in sequences if x.ndim != 2 or x.shape[1] != len(features)), None):
        raise ValueError(f"{path}: expected sequences [T, {len(features)}], got one of shape {list(bad)}")
    return sequences


def _split(array: NDArray[np.float32]) -> Sequences:
    return list(array) if array.ndim == 3 else [array]


def _read_numpy(path: Path, _features: Sequence[Feature]) -> Sequences:
    try:
        with path.open("rb") as file:  # numpy leaves one that it opens itself open after an error
            loaded = np.load(file, allow_pickle=False)
            arrays = [loaded] if isinstance(loaded, np.ndarray) else list(loaded.values())
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: expected a NumPy file of numbers, found another or a damaged one: {error}"
        ) from None
    return [_as_float32(path, array) for array in arrays]


def _read_table(path: Path, features: Sequence[Feature]) -> Sequences:
    from skiprnn.data.read_table import read_table_file

    return [read_table_file(path, ()).samples(features)]


def _as_float32(path: Path, array: NDArray[np.generic]) -> NDArray[np.float32]:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: expected an array of numbers, got {array.dtype}")
    return array.astype(np.float32)


_READERS: dict[str, Callable[[Path, Sequence[Feature]], Sequences]] = {
    ".npy": _read_numpy,
    ".npz": _read_numpy,
    **dict.fromkeys(SUFFIXES, _read_table),
}
