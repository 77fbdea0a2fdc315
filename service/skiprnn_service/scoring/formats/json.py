"""JSON and NDJSON.

    json      {"sequences": [[[F numbers], …], …], "threshold": …}    → {"model", "version", "scores": [row, …]}
              or {"id": …, "x": [[F numbers], …]} in place of a sequence
    ndjson    {"id": …, "x": [[F numbers], …]} a line                 → a row a line
              or a sample a line: {"ax": …, "ay": …, "sequence": …}, as pandas writes a table

A row holds the columns of `rows.py` and, where all updates are written, "updates": [{"t", "y"}, …]. Each float reads
back as the same float32.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats import hints
from skiprnn_service.scoring.formats.base import (
    MAX_ID_BYTES,
    Example,
    Input,
    InputSpec,
    OutputSpec,
    Rows,
    Sink,
    encode,
)
from skiprnn_service.scoring.formats.gather import Batch, Grouped, gather, last_rows
from skiprnn_service.scoring.formats.rate import about_rate
from skiprnn_service.scoring.formats.tables import Columns, check_names, choose_columns, time_keys
from skiprnn_service.scoring.formats.times import Times

_LINES = 4096  # that are read together, where each is a sample
_MAX_BLANK_LINES = (
    1000  # in a row: a body may hold 300 million of them, each of which takes a turn of the loop
)


_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Sequences(msgspec.Struct, forbid_unknown_fields=True):
    sequences: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    threshold: float | None = None


class _Sequence(msgspec.Struct, forbid_unknown_fields=True):
    x: list[list[float]]
    id: _INT64 | Annotated[str, msgspec.Meta(max_length=MAX_ID_BYTES)] | None = None


_Value = _INT64 | float | str | bool | None
_Fields = dict[str, msgspec.Raw]
_decode_sequences = msgspec.json.Decoder(_Sequences).decode
_decode_samples = msgspec.json.Decoder(list[list[float]]).decode
_decode_sequence = msgspec.json.Decoder(_Sequence).decode
_decode_fields = msgspec.json.Decoder(_Fields).decode
_decode_value = msgspec.json.Decoder(_Value).decode
_decode_row = msgspec.json.Decoder(dict[str, _Value]).decode
_DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_EXPECTED = '{"id": …, "x": [[F numbers], …]}'


def read_json(file: BinaryIO, spec: InputSpec) -> Input:
    """Decode one sequence after another, so that other threads run in between."""
    data = file.read(spec.max_bytes + 1)  # a file of a few bytes may unpack to many
    if len(data) > spec.max_bytes:
        raise TooLargeError(
            f"body: expected {spec.max_bytes} bytes at most, as JSON is held whole: send NDJSON"
        )
    try:
        body = _decode_sequences(data)
    except _DECODE_ERRORS as error:
        raise MessageError(f'body: expected {{"sequences": [[[F numbers], …], …]}}: {error}') from None
    _reject_time(spec)

    def examples() -> Iterator[Example]:
        for number, raw in enumerate(body.sequences):
            where = f"sequence {number}"
            if bytes(raw).lstrip()[:1] == b"{":
                yield _object(bytes(raw), spec, where)
                continue
            try:
                rows = _decode_samples(raw)
            except _DECODE_ERRORS as error:
                raise MessageError(f"{where}: expected [[F numbers], …]: {error}") from None
            if spec.sequence or spec.carry:
                raise ShapeError(f"{where}: expected {_EXPECTED} for columns by name, got an array")
            yield Example(None, _samples(rows, spec, where))

    return Input(examples(), body.threshold, spec.carried)


def read_ndjson(file: BinaryIO, spec: InputSpec) -> Input:
    """A line a sequence, or a line a sample; blank lines between them are skipped."""
    columns = _columns(file, spec)
    file.seek(0)
    if columns is not None:
        return Input(
            _long(file, columns, spec),
            carried=tuple(columns.carried),
            warnings=tuple(_warnings(file, columns, spec)),
        )
    _reject_time(spec)
    examples = (_object(line, spec, f"line {number}") for number, line in _lines(file, spec))
    return Input(examples, carried=spec.carried)


def _reject_time(spec: InputSpec) -> None:
    if spec.time is not None:
        raise ShapeError("time: expected a sample a line or row, got whole sequences")


def _lines(file: BinaryIO, spec: InputSpec) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, and their numbers."""
    number = blank = 0
    while line := file.readline(spec.max_bytes + 1):
        if len(line) > spec.max_bytes:
            raise TooLargeError(f"line {number + 1}: expected {spec.max_bytes} bytes at most")
        blank = blank + 1 if line.isspace() else 0
        if blank > _MAX_BLANK_LINES:
            raise MessageError(f"line {number + 1}: expected {_MAX_BLANK_LINES} blank lines in a row at most")
        if not blank:
            number += 1
            yield number, line


# -- a line a sequence


def _object(data: bytes, spec: InputSpec, where: str) -> Example:
    """A sequence as an object, with the fields that are carried through."""
    try:
        fields = _decode_fields(data)
        carried = [_carried(fields, name, where) for name in spec.carried]
        own = {name: value for name, value in fields.items() if name not in spec.carried}
        if spec.sequence is not None:
            own["id"] = fields[spec.sequence]
            own.pop(spec.sequence if spec.sequence != "id" else "", None)
        decoded = _decode_sequence(encode(own))
    except KeyError:
        raise ShapeError(f"{where}: expected a field {spec.sequence!r:.100}, found none") from None
    except _DECODE_ERRORS as error:
        raise MessageError(f"{where}: expected {_EXPECTED}: {error}") from None
    x = _samples(decoded.x, spec, where)
    return Example(decoded.id, x, None, tuple(_objects([value]) for value in carried))


def _carried(fields: _Fields, name: str, where: str) -> Any:
    if name not in fields:
        raise ShapeError(f"{where}: expected a field {name!r:.100} (carry), found none")
    return _decode_value(fields[name])


def _objects(values: list[Any]) -> NDArray[Any]:
    """[n] of values of Python."""
    found = np.empty(len(values), object)
    found[:] = values
    return found


# -- a line a sample


def _columns(file: BinaryIO, spec: InputSpec) -> Columns | None:
    """Of the first line, if it is a sample; None: it is a sequence, or neither."""
    _, line = next(_lines(file, spec), (0, b""))
    try:
        fields = _decode_fields(line)
    except _DECODE_ERRORS:
        return None
    if bytes(fields.get("x", b"")).lstrip()[:1] == b"[":
        return None
    names = check_names(list(fields), spec)
    numbers = [i for i, value in enumerate(fields.values()) if bytes(value).lstrip()[:1] in b"-0123456789"]
    return choose_columns(names, numbers, spec)


def _long(file: BinaryIO, columns: Columns, spec: InputSpec) -> Iterator[Example]:
    last = None if columns.id is None else last_rows(_ids(file, columns.id, spec))
    yield from gather(_batches(file, columns, spec), last, spec)


def _rows(file: BinaryIO, spec: InputSpec) -> Iterator[list[dict[str, Any]]]:
    """Lines as samples, some at a time."""
    file.seek(0)
    lines = _lines(file, spec)
    while some := list(islice(lines, _LINES)):
        yield [_row(number, line) for number, line in some]


def _row(number: int, line: bytes) -> dict[str, Any]:
    try:
        return _decode_row(line)
    except _DECODE_ERRORS as error:
        raise MessageError(f"line {number}: expected a sample, numbers and text by name: {error}") from None


def _ids(file: BinaryIO, name: str, spec: InputSpec) -> Iterator[Grouped]:
    first = 0
    for rows in _rows(file, spec):
        yield _grouped(rows, name, first)
        first += len(rows)


def _grouped(rows: list[dict[str, Any]], name: str, first: int) -> Grouped:
    codes: dict[int | str, int] = {}
    code = [codes.setdefault(_id(row.get(name), name, first + i), len(codes)) for i, row in enumerate(rows)]
    return Grouped(list(codes), np.array(code, np.intp))


def _id(value: Any, name: str, row: int) -> int | str:
    if value is None or value == "":
        raise ShapeError(
            f"line {row + 1}: {name:.100}: expected a name or number in every row, got {value!r}"
        )
    id = value if type(value) is int else str(value)
    if len(str(id).encode()) > MAX_ID_BYTES:
        raise TooLargeError(f"line {row + 1}: {name:.100}: expected {MAX_ID_BYTES} bytes at most")
    return id


def _batches(file: BinaryIO, columns: Columns, spec: InputSpec) -> Iterator[Batch]:
    first, times = 0, Times()
    for rows in _rows(file, spec):
        grouped = None if columns.id is None else _grouped(rows, columns.id, first)
        time = None
        if columns.time is not None:
            values = [row.get(columns.time) for row in rows]
            time = time_keys(times, values, grouped, columns.time, first)
        carried = tuple(_objects([row.get(name) for row in rows]) for name in columns.carried)
        numbers = [[_number(row, name, first + i) for name in columns.values] for i, row in enumerate(rows)]
        with np.errstate(over="ignore"):  # scoring rejects infinity where it reads it
            yield Batch(grouped, np.array(numbers).astype(np.float32), time, carried)
        first += len(rows)


def _number(row: dict[str, Any], name: str, number: int) -> float:
    value = row.get(name)
    if value is None:
        return np.nan
    if isinstance(value, str | bool):
        raise ShapeError(f"line {number + 1}: {name:.100}: expected a number, got {value!r:.100}")
    return float(value)


def _timed(
    file: BinaryIO, id: str | None, time: str, spec: InputSpec
) -> Iterator[tuple[Grouped | None, list[Any]]]:
    """The sequences and the times of some lines after others."""
    first = 0
    for rows in _rows(file, spec):
        yield None if id is None else _grouped(rows, id, first), [row.get(time) for row in rows]
        first += len(rows)


def _warnings(file: BinaryIO, columns: Columns, spec: InputSpec) -> list[str]:
    """Of fields of the first line that are left out."""
    first = next(_rows(file, spec))[0]
    left = [name for name in first if name not in columns.names]
    times = [columns.time] if columns.time else hints.like_times(left)[:1]
    found = list[str]()
    for name in times:
        with contextlib.suppress(ShapeError, TooLargeError, MessageError):
            found += about_rate(name, _timed(file, columns.id, name, spec), spec.sample_rate)
    found += [] if columns.time else [hints.about_times(name) for name in times]
    for name in hints.like_ids(left)[: hints.MOST_COLUMNS] if columns.id is None else []:
        with contextlib.suppress(ShapeError, TooLargeError, MessageError):
            batches = _ids(file, name, spec)
            found += hints.about_ids(name, ((batch.ids, len(batch.code)) for batch in batches))
    for name in hints.like_groups(left)[:1] if columns.id is not None else []:
        with contextlib.suppress(ShapeError, TooLargeError, MessageError):
            pairs = (
                (_grouped(rows, str(columns.id), 0), _grouped(rows, name, 0)) for rows in _rows(file, spec)
            )
            found += hints.about_groups(name, str(columns.id), pairs)
    return found


# -- both


def _samples(rows: list[list[float]], spec: InputSpec, where: str) -> NDArray[np.float32]:
    F = len(spec.features)
    if not rows or any(len(row) != F for row in rows):
        lengths = sorted({len(row) for row in rows})
        raise ShapeError(f"{where}: expected [T, {F}] with T ≥ 1, got {len(rows)} rows of {lengths} numbers")
    with np.errstate(over="ignore"):  # scoring rejects infinity where it reads it
        return np.array(rows).astype(np.float32)


class JsonWriter:
    """One object."""

    def __init__(self, sink: Sink, spec: OutputSpec) -> None:
        self._sink, self._types = sink, spec.types
        self._before = encode({"model": spec.model, "version": spec.version})[:-1] + b',"scores":['

    def write(self, rows: Rows) -> None:
        for row in _written(rows, self._types):
            self._sink.write(self._before + row)
            self._before = b","

    def close(self) -> None:
        self._sink.write(b"]}")


class NdjsonWriter:
    """An object a line."""

    def __init__(self, sink: Sink, spec: OutputSpec) -> None:
        self._sink, self._types = sink, spec.types

    def write(self, rows: Rows) -> None:
        for row in _written(rows, self._types):
            self._sink.write(row + b"\n")

    def close(self) -> None: ...


def _written(rows: Rows, types: Mapping[str, Any]) -> Iterable[bytes]:
    """Each row as an object."""
    columns = rows.lists(types)
    for number, values in enumerate(zip(*columns.values(), strict=True)):
        row = dict(zip(columns, values, strict=True))
        if rows.updates is not None:
            _, t, y, _ = rows.updates[number]
            row["updates"] = [{"t": t, "y": y} for t, y in zip(t.tolist(), y.tolist(), strict=True)]
        yield encode(row)
