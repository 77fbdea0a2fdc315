"""The file formats of sequences and scores, by name, media type and file name (docs/reference/rest.md)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from skiprnn_service.errors import ContentTypeError, MessageError, SkipRnnServiceError
from skiprnn_service.scoring.formats.base import Example, Format, Input, InputSpec, OutputSpec, Sink, Writer
from skiprnn_service.scoring.formats.csv import CsvWriter, read_csv
from skiprnn_service.scoring.formats.json import JsonWriter, NdjsonWriter, read_json, read_ndjson
from skiprnn_service.scoring.formats.numpy import NpyWriter, NpzWriter, read_npy, read_npz
from skiprnn_service.scoring.formats.tables import (
    ArrowFileWriter,
    ArrowWriter,
    ParquetWriter,
    read_arrow,
    read_arrow_file,
    read_parquet,
)


def _input(
    read: Callable[[BinaryIO, InputSpec], Iterator[Example]],
) -> Callable[[BinaryIO, InputSpec], Input]:
    """The reader of a format that carries no threshold."""
    return lambda file, spec: Input(read(file, spec))


_ARROW = "application/vnd.apache.arrow"
FORMATS = {
    "json": Format(
        "JSON", ("application/json",), (".json",), read_json, JsonWriter, in_memory=True, text=True
    ),
    "ndjson": Format(
        "NDJSON",
        ("application/x-ndjson", "application/ndjson", "application/jsonl"),
        (".ndjson", ".jsonl"),
        _input(read_ndjson),
        NdjsonWriter,
        text=True,
    ),
    "npy": Format("npy", ("application/x-npy",), (".npy",), _input(read_npy), NpyWriter),
    "npz": Format(
        "npz: expected a file as numpy.savez writes it",
        ("application/x-npz", "application/zip"),
        (".npz",),
        _input(read_npz),
        NpzWriter,
        in_memory=True,
    ),
    "arrow": Format("Arrow stream", (f"{_ARROW}.stream",), (".arrows",), _input(read_arrow), ArrowWriter),
    "arrow_file": Format(
        "Arrow file", (f"{_ARROW}.file",), (".arrow", ".feather"), _input(read_arrow_file), ArrowFileWriter
    ),
    "parquet": Format(
        "Parquet",
        ("application/vnd.apache.parquet", "application/x-parquet"),
        (".parquet",),
        _input(read_parquet),
        ParquetWriter,
    ),
    "csv": Format("CSV", ("text/csv",), (".csv",), _input(read_csv), CsvWriter),
}
BY_MEDIA_TYPE = {media_type: name for name, known in FORMATS.items() for media_type in known.types}
_BY_SUFFIX = {suffix: name for name, known in FORMATS.items() for suffix in known.suffixes}


def format_of_file(path: Path) -> str:
    """The name of a file's format, by its suffix. Raises ContentTypeError."""
    if path.suffix.lower() not in _BY_SUFFIX:
        raise ContentTypeError(f"{path.name}: expected a name that ends in one of {sorted(_BY_SUFFIX)}")
    return _BY_SUFFIX[path.suffix.lower()]


def read(format_name: str, file: BinaryIO, spec: InputSpec) -> Input:
    """The sequences of a file. All formats but NDJSON need a file that can seek.

    Raises, here or while iterating:
        MessageError: the file is not of its format; the message says where.
        ShapeError: a sequence is not [T, F].
        TooLargeError: a sequence, or what must be held beside it, is larger than `spec.max_bytes`.
        ContentTypeError: pyarrow is missing.
        MemoryError: the file states more than can be allocated.
    """
    label = FORMATS[format_name].label
    with _reading(label):
        found = FORMATS[format_name].read(file, spec)
    return found._replace(examples=_documented(label, found.examples))


def _documented(label: str, examples: Iterator[Example]) -> Iterator[Example]:
    with _reading(label):
        yield from examples


@contextmanager
def _reading(label: str) -> Iterator[None]:
    """A damaged file may raise anything in the libraries that read it: whatever it is, the file is at fault."""
    try:
        yield
    except (SkipRnnServiceError, MemoryError):
        raise
    except Exception as error:
        raise MessageError(f"{label}: {str(error)[:300] or repr(error)}") from None


def needs_pyarrow(*format_names: str) -> bool:
    """Whether one of these formats is read and written by pyarrow."""
    return not {"arrow", "arrow_file", "parquet", "csv"}.isdisjoint(format_names)


def writer(format_name: str, file: IO[bytes], spec: OutputSpec) -> Writer:
    """A writer of scores. Raises ContentTypeError: pyarrow is missing."""
    return FORMATS[format_name].write(Sink(file, spec.max_bytes, spec.spool_bytes), spec)
