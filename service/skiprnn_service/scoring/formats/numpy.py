"""NPY and NPZ.

    npy    [N, T, F], or [T, F]: one sequence                        → y [n, K] alone
    npz    x [N, T, F] and lengths [N]; or x [ΣT, F] and lengths;    → the columns of `rows.py` [n] and y [n, K];
           or a sequence [T, F] an array, named by it                  t [M], update_y [M, K] of all updates

Both writers hold the rows until `close`, within the limit of the output.
"""

import math
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import (
    MAX_ID_BYTES,
    Example,
    InputSpec,
    OutputSpec,
    Rows,
    Sink,
)

_COMPRESSION = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # what numpy writes


def read_npy(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """One sequence after another."""
    for x in _arrays(file, spec, "npy"):
        yield Example(None, x)


def _arrays(file: BinaryIO, spec: InputSpec, where: str) -> Iterator[NDArray[np.float32]]:
    """[N, T, F] as N arrays, [T, F] as one."""
    shape, dtype = _header(file, where)
    F, size = len(spec.features), math.prod(shape[-2:]) * dtype.itemsize
    if len(shape) not in (2, 3) or shape[-1] != F or min(shape) < 1:
        raise ShapeError(f"{where}: expected [N, T, {F}] or [T, {F}], not empty, got shape {list(shape)}")
    if size > spec.max_bytes:
        raise TooLargeError(f"{where}: expected sequences of {spec.max_bytes} bytes at most, got {size}")
    for number in range(shape[0] if len(shape) == 3 else 1):
        data = file.read(size)
        if len(data) != size:
            raise MessageError(f"{where}: ends in sequence {number}: expected shape {list(shape)}")
        with np.errstate(over="ignore"):  # scoring rejects infinity where it reads it
            x = np.asarray(np.frombuffer(data, dtype), np.float32)
        yield x.reshape(shape[-2:])


def _header(file: BinaryIO, where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an NPY file. Pickled arrays and Fortran order are rejected."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read[version](file)
    except Exception as error:  # numpy has Python's parser read a header: nested deeply, it raises much
        raise MessageError(f"{where}: expected a file as numpy.save writes it: {error!s:.300}") from None
    if dtype.kind not in "fiu":
        raise MessageError(f"{where}: expected numbers, got {dtype}: pickled arrays are not read")
    if fortran:
        raise MessageError(f"{where}: expected C order, got Fortran's: save numpy.ascontiguousarray of it")
    return shape, dtype


def read_npz(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """An archive of NPY files, which is held in memory."""
    with zipfile.ZipFile(file) as archive:
        names = _names(archive, spec)
        if "lengths" in names:
            yield from _ragged(archive, spec)
        else:
            yield from _named(archive, names, spec)


def _names(archive: zipfile.ZipFile, spec: InputSpec) -> list[str]:
    """Names of the arrays, none of them larger than it may be."""
    size = sum(entry.file_size for entry in archive.infolist())
    if size > spec.max_bytes:
        raise TooLargeError(f"npz: expected {spec.max_bytes} bytes at most, got {size}")
    for entry in archive.infolist():
        name, kind = entry.filename, entry.compress_type
        if not name.endswith(".npy") or len(name.encode()) > MAX_ID_BYTES or kind not in _COMPRESSION:
            raise MessageError(
                f"npz: expected entries as numpy.savez writes them, got {name!r:.100}, type {kind}"
            )
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _named(archive: zipfile.ZipFile, names: list[str], spec: InputSpec) -> Iterator[Example]:
    """Each array is a sequence, or N of them."""
    for name in names:
        with archive.open(name + ".npy") as member:
            arrays = list(_arrays(member, spec, name))  # type: ignore[arg-type]  # it has what is used of BinaryIO
        for number, x in enumerate(arrays):
            yield Example(name if len(arrays) == 1 else f"{name}/{number}" if len(names) > 1 else None, x)


def _ragged(archive: zipfile.ZipFile, spec: InputSpec) -> Iterator[Example]:
    lengths = _lengths(archive, spec)
    try:
        member = archive.open("x.npy")
    except KeyError:
        raise MessageError("npz: expected x beside lengths, found none") from None
    with member:
        arrays = list(_arrays(member, spec, "x"))  # type: ignore[arg-type]
    concatenated, longest = len(arrays) == 1 != len(lengths), len(arrays[0])
    if concatenated:  # [ΣT, F]
        if lengths.min(initial=1) < 1 or lengths.max(initial=1) > longest or lengths.sum() != longest:
            raise ShapeError(
                f"lengths: expected whole numbers from 1 on with sum {longest}, got {lengths.sum()}"
            )
        arrays = np.split(arrays[0], lengths.cumsum()[:-1])
    elif len(arrays) != len(lengths) or lengths.min() < 1 or lengths.max() > longest:
        raise ShapeError(f"lengths: expected {len(arrays)} whole numbers from 1 to {longest}")
    for x, length in zip(arrays, lengths.tolist(), strict=True):
        yield Example(None, x[:length])


def _lengths(archive: zipfile.ZipFile, spec: InputSpec) -> NDArray[Any]:
    """[N], within what the archive holds of them."""
    with archive.open("lengths.npy") as member:
        shape, dtype = _header(member, "lengths")  # type: ignore[arg-type]
        if dtype.kind not in "iu" or len(shape) != 1 or min(shape) < 0:
            raise ShapeError(f"lengths: expected [N] whole numbers, got {dtype} {list(shape)}")
        data = member.read(min(shape[0] * dtype.itemsize, spec.max_bytes))
    if len(data) != shape[0] * dtype.itemsize:
        raise MessageError(f"lengths: ends early: expected shape {list(shape)}")
    return np.frombuffer(data, dtype)


class NpyWriter:
    """y [n, K]."""

    def __init__(self, sink: Sink, _: OutputSpec) -> None:
        self._sink, self._held = sink, 0
        self._y: list[NDArray[np.float32]] = []

    def write(self, rows: Rows) -> None:
        self._y.append(rows.y)
        self._held += rows.y.nbytes
        self._sink.reserve(self._held)

    def close(self) -> None:
        np.lib.format.write_array(self._sink, np.concatenate(self._y), allow_pickle=False)


class NpzWriter:
    """Arrays by name, not compressed."""

    def __init__(self, sink: Sink, _: OutputSpec) -> None:
        self._sink, self._held = sink, 0
        self._columns: dict[str, list[Any]] = {}

    def write(self, rows: Rows) -> None:
        arrays = {name: values for name, values in rows.columns.items() if name != "y"} | {"y": rows.y}
        if rows.updates is not None:
            arrays["t"] = np.concatenate([score.t for score in rows.updates])
            arrays["update_y"] = np.concatenate([score.y for score in rows.updates])
        for name, values in arrays.items():
            self._columns.setdefault(name, []).append(values)
            self._held += values.nbytes if isinstance(values, np.ndarray) else 0
        self._sink.reserve(self._held)

    def close(self) -> None:
        with zipfile.ZipFile(self._sink, "w") as archive:
            for name, parts in self._columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, _joined(parts), allow_pickle=False)


def _joined(parts: list[Any]) -> NDArray[Any]:
    """One array of a column's parts; values of Python become numbers or text, a missing one empty text."""
    if all(isinstance(part, np.ndarray) and part.dtype != object for part in parts):
        return np.concatenate(parts)
    values = ["" if value is None else value for part in parts for value in part]
    kinds = {type(value) for value in values}
    return np.array(values if len(kinds) == 1 and kinds <= {int, float, bool} else [*map(str, values)])
