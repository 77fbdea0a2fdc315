"""Files and pipes → samples, one at a time: CSV in whatever dialect, Parquet, NumPy's .npy, WAV."""

import io
import sys
import wave
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from skiprnn.channels import Feature
from skiprnn.data.file_kind import checked_kind, not_utf8
from skiprnn.data.files import PARQUET
from skiprnn.dialect import Dialect, open_lines
from skiprnn_cli.stream.csv_lines import Notice, file_dialect, read_samples
from skiprnn_cli.stream.missing import Missing, Row, filled

_FRAMES = 1024  # of a WAV file, read at once
_Fill = Callable[[Iterable[Row]], Iterator[Row | None]]
_SCALES = {1: 2.0**7, 2: 2.0**15, 3: 2.0**23, 4: 2.0**31}  # by bytes a sample


class Format(StrEnum):
    """Of a source."""

    CSV = "csv"
    PARQUET = "parquet"
    NPY = "npy"
    WAV = "wav"


class Decimal(StrEnum):
    """`--decimal`."""

    COMMA = ","
    POINT = "."


class SourceError(ValueError):
    """A source that does not hold samples of the model; the message has what was expected."""


class Source(NamedTuple):
    """Samples as they come; None: one was missed. `sample_rate`: Hz; `length`: samples; None: it is not stated."""

    samples: Iterator[Row | None]
    sample_rate: float | None = None
    length: int | None = None


def check_readable(name: str) -> None:
    """Raise OSError where a source cannot be opened: before a stream is."""
    if name == "-":
        return
    try:
        Path(name).open("rb").close()
    except OSError as error:
        raise type(error)(f"{name}: expected a file of samples: {error.strerror}") from None


@contextmanager
def open_source(
    name: str,
    features: int,
    format: Format | None = None,
    *,
    channels: Sequence[Feature] = (),
    notice: Notice | None = None,
    missing: Missing = Missing.ERROR,
    decimal: str = "",
) -> Iterator[Source]:
    """A source of samples of `features` numbers, for the length of the block.

    Args:
        name: of a file; - is standard input.
        format: None: from the ending of the name; CSV where that is none of them.
        channels, notice: as for `read_samples`; arrays and sound go by position.
        missing: what becomes of rows with empty cells, and of rows of an array with NaN.
        decimal: the decimal mark of CSV; empty: it is found.

    Raises:
        OSError: the file cannot be read.
        SourceError, CsvError: it does not hold such samples. CSV and WAV are read on the way, so this may come late.
    """
    format = format or _format_of(name)
    fill = partial(filled, missing=missing, source=name, channels=channels)

    def csv(lines: Iterable[str], dialect: Dialect) -> Source:
        facts: dict[str, Any] = {"channels": channels, "notice": notice, "missing": missing}
        return Source(fill(read_samples(lines, features, source=name, dialect=dialect, **facts)))

    if name == "-":
        yield _standard_input(format, features, partial(csv, dialect=Dialect(decimal=decimal)), fill)
    elif format is Format.NPY:
        yield _array(np.load(name, mmap_mode="r", allow_pickle=False), features, name, fill)
    elif format is Format.WAV:
        with Path(name).open("rb") as file:
            yield _wav(file, features, name)
    elif format is Format.PARQUET:
        yield Source(fill(_table(Path(name), channels, missing)))
    else:
        path, dialect = Path(name), Dialect(decimal=decimal)
        if path.is_file():  # a pipe cannot be read twice
            with _text_of(path):
                dialect = file_dialect(path, features, channels, decimal)
        with open_lines(path) as lines:
            yield csv(_checked(lines, path), dialect)


def _format_of(name: str) -> Format:
    ending = Path(name).suffix.lower().removeprefix(".")
    if f".{ending}" in PARQUET:
        return Format.PARQUET
    return Format(ending) if ending in set(Format) else Format.CSV


@contextmanager
def _text_of(path: Path) -> Iterator[None]:
    """SourceError says what a file is that is no text."""
    if path.is_file():
        try:
            checked_kind(path)
        except ValueError as error:
            raise SourceError(str(error)) from None
    try:
        yield
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: expected CSV in UTF-8, found {not_utf8(path, error)}") from None
    except (EOFError, zlib.error):
        raise SourceError(f"{path}: expected CSV in gzip, found it cut short or damaged") from None


def _checked(lines: Iterable[str], path: Path) -> Iterator[str]:
    """The same lines. Nothing is read of a pipe in advance."""
    with _text_of(path):
        yield from lines


def _table(path: Path, channels: Sequence[Feature], missing: Missing) -> Iterator[Row]:
    """Rows of a Parquet file, whose columns are found by name."""
    from skiprnn.data.read_table import read_table_file

    table = read_table_file(path, rows=1)
    if missing is Missing.ERROR:
        yield from table.samples(channels).tolist()
    else:
        columns = [table.floats(name) for name in table.matched(channels)]
        yield from np.stack(columns, axis=1).tolist()


def _standard_input(
    format: Format, features: int, csv: Callable[[Iterable[str]], Source], fill: _Fill
) -> Source:
    match format:
        case Format.NPY:
            whole = io.BytesIO(sys.stdin.buffer.read())
            return _array(np.load(whole, allow_pickle=False), features, "-", fill)
        case Format.WAV:
            return _wav(sys.stdin.buffer, features, "-")
    return csv(sys.stdin)


def _array(array: Any, features: int, name: str, fill: _Fill) -> Source:
    """[T, F], or [T] for a model of one feature."""
    shape = getattr(array, "shape", ())
    rows = array[:, np.newaxis] if len(shape) == 1 and features == 1 else array
    if rows.ndim != 2 or rows.shape[1] != features or rows.dtype.kind not in "fiub":
        raise SourceError(f"{name}: expected numbers [T, {features}], got {array.dtype} {list(shape)}")
    return Source(fill(row.tolist() for row in rows), length=len(rows))


def _wav(file: IO[bytes], features: int, name: str) -> Source:
    """Channels as features, from −1 to 1."""
    try:
        sound = wave.open(file)  # noqa: SIM115 - the file is closed by whoever opened it
    except (wave.Error, EOFError) as error:
        raise SourceError(f"{name}: expected PCM in a WAV file: {error}") from error
    if sound.getnchannels() != features:
        expected = f"{features} channels, as the model has features"
        raise SourceError(f"{name}: expected {expected}, got {sound.getnchannels()}")
    return Source(_frames(sound), sample_rate=float(sound.getframerate()), length=sound.getnframes())


def _frames(sound: wave.Wave_read) -> Iterator[list[float]]:
    width, channels = sound.getsampwidth(), sound.getnchannels()
    while data := sound.readframes(_FRAMES):
        whole = len(data) - len(data) % (width * channels)  # a pipe may end anywhere
        values = _integers(np.frombuffer(data[:whole], np.uint8), width) / _SCALES[width]
        yield from values.reshape(-1, channels).tolist()


def _integers(data: Any, width: int) -> Any:
    """PCM of 8 bits is unsigned, of more bits signed and little-endian (the RIFF WAVE format)."""
    if width == 1:
        return data.astype(np.int32) - 128
    padded = np.zeros((len(data) // width, 4), np.uint8)  # the sample's bytes at the top of 32 bits
    padded[:, 4 - width :] = data.reshape(-1, width)
    return padded.view("<i4")[:, 0] >> (8 * (4 - width))
