"""The file formats of sequences and scores, by name, media type and file name (docs/reference/rest.md)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from skiprnn_service.errors import ContentTypeError, MessageError, ShapeError, SkipRnnServiceError
from skiprnn_service.scoring.formats.base import Example, Format, Input, InputSpec, OutputSpec, Sink
from skiprnn_service.scoring.formats.csv import CsvWriter, read_csv
from skiprnn_service.scoring.formats.gather import unique
from skiprnn_service.scoring.formats.json import JsonWriter, NdjsonWriter, read_json, read_ndjson
from skiprnn_service.scoring.formats.numpy import NpyWriter, NpzWriter, read_npy, read_npz
from skiprnn_service.scoring.formats.rows import RowWriter
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
    """The reader of a format without columns."""
    return lambda file, spec: Input(read(file, spec))


_ARROW = "application/vnd.apache.arrow"
FORMATS = {
    "json": Format(
        "JSON",
        ("application/json",),
        (".json",),
        read_json,
        JsonWriter,
        in_memory=True,
        text=True,
        columns=True,
    ),
    "ndjson": Format(
        "NDJSON",
        ("application/x-ndjson", "application/ndjson", "application/jsonl"),
        (".ndjson", ".jsonl"),
        read_ndjson,
        NdjsonWriter,
        text=True,
        columns=True,
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
    "arrow": Format(
        "Arrow stream", (f"{_ARROW}.stream",), (".arrows",), read_arrow, ArrowWriter, columns=True
    ),
    "arrow_file": Format(
        "Arrow file",
        (f"{_ARROW}.file",),
        (".arrow", ".feather"),
        read_arrow_file,
        ArrowFileWriter,
        columns=True,
    ),
    "parquet": Format(
        "Parquet",
        ("application/vnd.apache.parquet", "application/x-parquet"),
        (".parquet", ".pq"),
        read_parquet,
        ParquetWriter,
        columns=True,
    ),
    "csv": Format("CSV", ("text/csv",), (".csv", ".txt"), read_csv, CsvWriter, columns=True),
    "tsv": Format(
        "TSV",
        ("text/tab-separated-values",),
        (".tsv",),
        read_csv,
        partial(CsvWriter, delimiter="\t"),
        columns=True,
    ),
}
_PYARROW = {"arrow", "arrow_file", "parquet", "csv", "tsv"}
BY_MEDIA_TYPE = {media_type: name for name, known in FORMATS.items() for media_type in known.types}
_BY_SUFFIX = {suffix: name for name, known in FORMATS.items() for suffix in known.suffixes}


def format_of_file(path: Path) -> str:
    """The name of a file's format, by its suffix, before `.gz`. Raises ContentTypeError."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if plain.suffix.lower() not in _BY_SUFFIX:
        raise ContentTypeError(
            f"{path.name}: expected a name that ends in one of {sorted(_BY_SUFFIX)}, or .gz"
        )
    return _BY_SUFFIX[plain.suffix.lower()]


def read(
    format_name: str,
    file: BinaryIO,
    spec: InputSpec,
    *,
    name: Callable[[int], int | str] = lambda number: number,
) -> Input:
    """The sequences of a file that can seek.

    Args:
        name: the id of a sequence that has none, of its number.

    Raises, here or while iterating:
        MessageError: the file is not of its format; the message says where.
        ShapeError: a sequence is not [T, F], a column is missing, or two sequences have the same id.
        TooLargeError: a sequence, or what must be held beside it, is larger than `spec.max_bytes`.
        ContentTypeError: pyarrow is missing.
        MemoryError: the file states more than can be allocated.
    """
    label = FORMATS[format_name].label
    if spec.carried + ((spec.sequence,) if spec.sequence else ()) and not FORMATS[format_name].columns:
        known = sorted(name for name, one in FORMATS.items() if one.columns)
        raise ShapeError(
            f"sequence, time, carry: expected a format with columns ({known}), got {format_name}"
        )
    with _reading(label):
        found = FORMATS[format_name].read(file, spec)
    examples = _named(_documented(label, found.examples), name)
    return found._replace(examples=unique(examples) if format_name != "npy" else examples)


def _documented(label: str, examples: Iterator[Example]) -> Iterator[Example]:
    with _reading(label):
        yield from examples


def _named(examples: Iterator[Example], name: Callable[[int], int | str]) -> Iterator[Example]:
    for number, example in enumerate(examples):
        yield example._replace(id=name(number)) if example.id is None else example


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
    return not _PYARROW.isdisjoint(format_names)


def writer(format_name: str, file: IO[bytes], spec: OutputSpec) -> RowWriter:
    """A writer of scores.

    Raises:
        ContentTypeError: pyarrow is missing.
        ShapeError: columns that are carried through have the same name.
    """
    sink = Sink(file, spec.max_bytes, spec.spool_bytes)
    return RowWriter(lambda named: FORMATS[format_name].write(sink, named), spec)
