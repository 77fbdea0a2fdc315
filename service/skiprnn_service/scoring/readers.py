"""Sequences out of files and bodies of every kind (score_formats.py), one after another, in bounded memory."""

import math
import zipfile
from collections.abc import Callable, Iterator
from typing import Annotated, Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats import Item, Layout
from skiprnn_service.scoring.tables import read_arrow, read_arrow_file, read_csv, read_parquet


class Input(NamedTuple):
    """Sequences, and the threshold that came with them."""

    items: Iterator[Item]
    threshold: float | None = None


def read(kind: str, file: BinaryIO, layout: Layout) -> Input:
    """The sequences of a file; all kinds but NDJSON and the Arrow stream need one that can seek.

    Raises, here or while iterating:
        MessageError: the file is not of its kind; the message says where.
        ShapeError: a sequence is not [T, F].
        TooLargeError: a sequence, or what must be held beside it, is larger than the layout allows.
        ContentTypeError: pyarrow is missing.
    """
    if kind == "json":
        return _json(file, layout)
    return Input(_READERS[kind](file, layout))


# -- JSON


class _Sequences(msgspec.Struct, forbid_unknown_fields=True):
    sequences: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    threshold: float | None = None


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    x: list[list[float]]
    id: int | str | None = None


_decode_sequences = msgspec.json.Decoder(_Sequences).decode
_decode_samples = msgspec.json.Decoder(list[list[float]]).decode
_decode_line = msgspec.json.Decoder(_Line).decode
_WRONG = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def _json(file: BinaryIO, layout: Layout) -> Input:
    """One sequence after another becomes numbers, so that no other thread waits for all of them."""
    try:
        body = _decode_sequences(file.read())
    except _WRONG as error:
        raise MessageError(f'body: expected {{"sequences": [[[F numbers], …], …]}}: {error}') from None

    def items() -> Iterator[Item]:
        for number, raw in enumerate(body.sequences):
            try:
                rows = _decode_samples(raw)
            except _WRONG as error:
                raise MessageError(f"sequence {number}: expected [[F numbers], …]: {error}") from None
            yield Item(number, _rows(rows, layout, f"sequence {number}"))

    return Input(items(), body.threshold)


def _ndjson(file: BinaryIO, layout: Layout) -> Iterator[Item]:
    number = 0
    while line := file.readline(layout.max_bytes + 1):
        if len(line) > layout.max_bytes:
            raise TooLargeError(f"line {number + 1}: expected {layout.max_bytes} bytes at most")
        if line.isspace():
            continue
        try:
            said = _decode_line(line)
        except _WRONG as error:
            raise MessageError(
                f'line {number + 1}: expected {{"id": …, "x": [[F numbers], …]}}: {error}'
            ) from None
        yield Item(number if said.id is None else said.id, _rows(said.x, layout, f"line {number + 1}"))
        number += 1


def _rows(rows: list[list[float]], layout: Layout, where: str) -> NDArray[np.float32]:
    F = len(layout.features)
    if not rows or any(len(row) != F for row in rows):
        lengths = sorted({len(row) for row in rows})
        raise ShapeError(f"{where}: expected [T, {F}] with T ≥ 1, got {len(rows)} rows of {lengths} numbers")
    return _float32(np.array(rows))


# -- numpy


def _npy(file: BinaryIO, layout: Layout) -> Iterator[Item]:
    for number, x in enumerate(_arrays(file, layout, "npy")):
        yield Item(number, x)


def _arrays(file: BinaryIO, layout: Layout, where: str) -> Iterator[NDArray[np.float32]]:
    """[N, T, F] as N arrays, [T, F] as one, read one by one."""
    shape, dtype = _header(file, where)
    F, size = len(layout.features), math.prod(shape[-2:]) * dtype.itemsize
    if len(shape) not in (2, 3) or shape[-1] != F or 0 in shape:
        raise ShapeError(f"{where}: expected [N, T, {F}] or [T, {F}], not empty, got shape {list(shape)}")
    if size > layout.max_bytes:
        raise TooLargeError(f"{where}: expected sequences of {layout.max_bytes} bytes at most, got {size}")
    for number in range(shape[0] if len(shape) == 3 else 1):
        data = file.read(size)
        if len(data) != size:
            raise MessageError(f"{where}: ends in sequence {number}: expected shape {list(shape)}")
        yield _float32(np.frombuffer(data, dtype).reshape(shape[-2:]))


def _header(file: BinaryIO, where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an npy file; pickled ones, and those in Fortran's order, are refused."""
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read[version](file)
    except (ValueError, KeyError) as error:
        raise MessageError(f"{where}: expected a file as numpy.save writes it: {error}") from None
    if dtype.kind not in "fiu":
        raise MessageError(f"{where}: expected numbers, got {dtype}: pickled arrays are not read")
    if fortran:
        raise MessageError(f"{where}: expected C order, got Fortran's: save numpy.ascontiguousarray of it")
    return shape, dtype


def _npz(file: BinaryIO, layout: Layout) -> Iterator[Item]:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > layout.max_bytes:
                raise TooLargeError(f"npz: expected {layout.max_bytes} bytes at most, got {size}")
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if "lengths" in names:
                yield from _ragged(archive, layout)
            else:
                yield from _named(archive, names, layout)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise MessageError(f"npz: expected a file as numpy.savez writes it: {error}") from None


def _named(archive: zipfile.ZipFile, names: list[str], layout: Layout) -> Iterator[Item]:
    """Each array is a sequence, or N of them."""
    for name in names:
        with archive.open(name + ".npy") as member:
            found = list(_arrays(member, layout, name))  # type: ignore[arg-type]  # it has what is used of BinaryIO
        for number, x in enumerate(found):
            yield Item(name if len(found) == 1 else f"{name}/{number}" if len(names) > 1 else number, x)


def _ragged(archive: zipfile.ZipFile, layout: Layout) -> Iterator[Item]:
    with archive.open("lengths.npy") as member:
        try:
            lengths = np.lib.format.read_array(member, allow_pickle=False)
        except ValueError as error:
            raise MessageError(f"lengths: expected whole numbers: {error}") from None
    try:
        member = archive.open("x.npy")
    except KeyError:
        raise MessageError("npz: expected x beside lengths, found none") from None
    with member:
        arrays = list(_arrays(member, layout, "x"))  # type: ignore[arg-type]
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1:
        raise ShapeError(f"lengths: expected [N] whole numbers, got {lengths.dtype} {list(lengths.shape)}")
    together, longest = len(arrays) == 1 != len(lengths), len(arrays[0])
    if together:  # [ΣT, F]
        if lengths.min(initial=1) < 1 or lengths.sum() != longest:
            raise ShapeError(
                f"lengths: expected whole numbers from 1 on with sum {longest}, got {lengths.sum()}"
            )
        arrays = np.split(arrays[0], lengths.cumsum()[:-1])
    elif len(arrays) != len(lengths) or lengths.min() < 1 or lengths.max() > longest:
        raise ShapeError(f"lengths: expected {len(arrays)} whole numbers from 1 to {longest}")
    for number, (x, length) in enumerate(zip(arrays, lengths.tolist(), strict=True)):
        yield Item(number, x[:length])


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # infinity in a sample that is read is refused where it is read
        return np.asarray(values, np.float32)


_READERS: dict[str, Callable[[BinaryIO, Layout], Iterator[Item]]] = {
    "ndjson": _ndjson,
    "npy": _npy,
    "npz": _npz,
    "arrow": read_arrow,
    "arrow_file": read_arrow_file,
    "parquet": read_parquet,
    "csv": read_csv,
}
