"""Tables, batch by batch, by pyarrow: Arrow streams, Arrow files and Parquet.

Input, one of
    nested    a row a sequence: x is a list of lists of F numbers (or of numbers, where F = 1); id
    long      a row a sample: a column a feature (skiprnn_export.channels); rows with equal `sequence` are one sequence

Output: a row a sequence with the columns id, samples, update_count, y, and lists t and update_y of its updates.

A few hundred bytes can state billions of values. So only the columns that are needed are read, every batch is validated
before it is used, and it is used in slices whose sizes are known before anything is copied.
"""

import importlib
import importlib.util
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_export.channels import match
from skiprnn_service.errors import ContentTypeError, MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import (
    MAX_ID_BYTES,
    Example,
    InputSpec,
    OutputSpec,
    Scored,
    Sink,
    encode,
)

SEQUENCE, ID, X = "sequence", "id", "x"  # names of columns
MAX_COLUMNS = 10_000  # each costs kilobytes before its first value

_ROWS = 65_536  # samples of a slice
_NESTED_ROWS = 2048  # sequences of a slice
_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"  # skiprnn.numerals, for columns
_MISSING = ("", "nan", "NaN", "-nan", "-NaN", "NA", "N/A", "n/a", "#N/A", "null", "NULL")

Rows = tuple[NDArray[Any] | None, NDArray[np.float32]]  # ids [n], if there are any; samples [n, F]


def require_pyarrow() -> None:
    """Raise ContentTypeError where pyarrow is not installed. Does not import it, which takes long."""
    try:
        found = importlib.util.find_spec("pyarrow")
    except ValueError:  # it is being imported
        return
    if found is None:
        raise ContentTypeError(
            "Arrow, Parquet and CSV need pyarrow, which is not installed here: install the extra 'score': "
            "pip install -e '.[score]' in a checkout, or pip install '/path/to/skiprnn[score]'"
        )


def pyarrow(*modules: str) -> Any:
    """pyarrow, with some of its modules imported. Raises ContentTypeError where it is not installed."""
    require_pyarrow()
    for module in modules:
        importlib.import_module(f"pyarrow.{module}")
    return importlib.import_module("pyarrow")


class Columns(NamedTuple):
    """The columns that are read, by name: no other column has one of these names.

    Attributes:
        values: x alone, or those of the features, in their order.
        id: of the sequence's id; None: there is none.
    """

    nested: bool
    values: list[str]
    id: str | None

    @property
    def names(self) -> list[str]:
        return self.values if self.id is None else [*self.values, self.id]


def read_arrow(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """An Arrow IPC stream."""
    pa = pyarrow("ipc", "compute")
    schema = pa.ipc.open_stream(file).schema
    columns = _columns(pa, schema, spec)
    file.seek(0)
    reader = pa.ipc.open_stream(file, options=_ipc_options(pa, schema, columns))
    return _examples(pa, reader, columns, spec)


def read_arrow_file(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """An Arrow IPC file, also called Feather (version 2)."""
    pa = pyarrow("ipc", "compute")
    schema = pa.ipc.open_file(file).schema
    columns = _columns(pa, schema, spec)
    reader = pa.ipc.open_file(file, options=_ipc_options(pa, schema, columns))
    batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    return _examples(pa, batches, columns, spec)


def _ipc_options(pa: Any, schema: Any, columns: Columns) -> Any:
    included = [schema.names.index(name) for name in columns.names]
    return pa.ipc.IpcReadOptions(included_fields=included, use_threads=False)


def read_parquet(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """Row group by row group. One that would take more than `max_bytes` is rejected before it is read."""
    pa = pyarrow("parquet", "compute")
    parquet = pa.parquet.ParquetFile(file)
    columns = _columns(pa, parquet.schema_arrow, spec)
    _check_row_groups(parquet.metadata, columns, spec)
    rows = 64 if columns.nested else _ROWS
    batches = parquet.iter_batches(batch_size=rows, columns=columns.names, use_threads=False)
    return _examples(pa, batches, columns, spec)


def _check_row_groups(metadata: Any, columns: Columns, spec: InputSpec) -> None:
    """A few kilobytes of Parquet can hold billions of equal values, or one of a gigabyte: look before decoding."""
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    needed = [i for i, path in enumerate(paths) if {path, path.partition(".")[0]} & {*columns.names}]
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = [group.column(i) for i in needed]
        size = max((max(4 * chunk.num_values, chunk.total_uncompressed_size) for chunk in chunks), default=0)
        if size > spec.max_bytes:
            raise TooLargeError(
                f"Parquet: expected row groups of {spec.max_bytes} bytes a column at most, "
                f"got {size} in row group {number}: write smaller row groups"
            )


def _columns(pa: Any, schema: Any, spec: InputSpec) -> Columns:
    """Which columns of a schema are read."""
    names = check_names(schema.names, spec)
    if X in names and _is_list(pa, schema.field(X).type):
        return Columns(True, [X], ID if ID in names else None)
    numeric = [
        i
        for i, field in enumerate(schema)
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    chosen = [names[i] for i in feature_columns(names, numeric, spec)]
    if len({*chosen}) < len(chosen):
        raise ShapeError(f"columns: expected each name once, got {chosen!s:.300}")
    return Columns(False, chosen, SEQUENCE if SEQUENCE in names else None)


def check_names(names: list[str], spec: InputSpec) -> list[str]:
    """Names of columns as they came. Raises TooLargeError, ShapeError: too many, or one that is needed twice."""
    if len(names) > MAX_COLUMNS:
        raise TooLargeError(f"columns: expected {MAX_COLUMNS} at most, got {len(names)}")
    for name in (*spec.names, X, ID, SEQUENCE):
        if names.count(name) > 1:
            raise ShapeError(f"columns: expected each name once, got {name!r:.100} twice")
    return names


def feature_columns(names: list[str], by_position: Iterable[int], spec: InputSpec) -> list[int]:
    """Indices of the columns of the features, by name. Where no column names one: `by_position` but `sequence`."""
    try:
        found = match(names, spec.features)
    except ValueError as error:
        raise ShapeError(f"columns: {error!s:.600}") from None
    if found is None:
        found = [i for i in by_position if names[i] != SEQUENCE]
        if len(found) != len(spec.features):
            expected = f"a list column {X}, or columns {list(spec.names)}"
            raise ShapeError(f"columns: expected {expected}, got {names!s:.300}")
    return found


def _examples(pa: Any, batches: Iterable[Any], columns: Columns, spec: InputSpec) -> Iterator[Example]:
    slices = _slices(batches, _NESTED_ROWS if columns.nested else _ROWS)
    if columns.nested:
        return _nested(pa, slices, columns.id, spec)
    return collected(_rows(pa, slices, columns), spec)


def _slices(batches: Iterable[Any], rows: int) -> Iterator[Any]:
    """Batches of so many rows at most, each of them validated: else a wrong offset ends the process."""
    for batch in batches:
        batch.validate(full=True)
        for begin in range(0, len(batch), rows):
            yield batch.slice(begin, rows)


# -- a row a sequence


def _nested(pa: Any, slices: Iterable[Any], id_column: str | None, spec: InputSpec) -> Iterator[Example]:
    number = 0
    for batch in slices:
        values, lengths = _flat(pa, batch.column(X), spec, number)
        ids = [None] * len(batch) if id_column is None else _nested_ids(pa, batch.column(id_column))
        for x, id in zip(np.split(values, lengths.cumsum()[:-1]), ids, strict=True):
            yield Example(number if id is None else id, x)
            number += 1


def _nested_ids(pa: Any, column: Any) -> list[Any]:
    _check_ids(pa, column, ID)
    ids: list[Any] = column.to_pylist()
    return [id if isinstance(id, int | float | str | None) else str(id) for id in ids]


def _check_ids(pa: Any, column: Any, name: str) -> None:
    """Ids are numbers, text or times; a long one would be written into every answer."""
    types, values = pa.types, column.dictionary if pa.types.is_dictionary(column.type) else column
    if types.is_nested(values.type) or types.is_dictionary(values.type):
        raise ShapeError(f"{name}: expected numbers or text, got {column.type!s:.100}")
    if types.is_primitive(values.type) or types.is_decimal(values.type) or types.is_null(values.type):
        return
    text = values.cast(pa.large_string()) if types.is_string_view(values.type) else values
    longest = pa.compute.max(pa.compute.binary_length(text)).as_py() or 0
    if longest > MAX_ID_BYTES:
        raise TooLargeError(f"{name}: expected {MAX_ID_BYTES} bytes at most, got {longest}")


def _flat(
    pa: Any, column: Any, spec: InputSpec, number: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All samples of a column [ΣT, F], and how many each row has."""
    F, lengths = len(spec.features), _lengths(pa, column)
    if column.null_count or (lengths < 1).any():
        raise ShapeError(
            f"{X}: expected a list of samples a row, got an empty one or null from row {number} on"
        )
    if 4 * F * int(lengths.sum()) > spec.max_bytes:
        raise TooLargeError(f"{X}: expected {spec.max_bytes} bytes at most in {_NESTED_ROWS} rows")
    rows = column.flatten()
    if _is_list(pa, rows.type):
        if rows.null_count or (_lengths(pa, rows) != F).any():
            raise ShapeError(f"{X}: expected lists of {F} numbers, got others from row {number} on")
        rows = rows.flatten()
    elif F != 1:
        raise ShapeError(f"{X}: expected a list of lists of {F} numbers, got {column.type!s:.100}")
    return _numbers(pa, rows, X).reshape(-1, F), lengths


def _lengths(pa: Any, column: Any) -> NDArray[np.int64]:
    lengths = pa.compute.list_value_length(column).fill_null(0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)


def _is_list(pa: Any, type: Any) -> bool:
    types = pa.types
    return bool(types.is_list(type) or types.is_large_list(type) or types.is_fixed_size_list(type))


# -- a row a sample


def _rows(pa: Any, slices: Iterable[Any], columns: Columns) -> Iterator[Rows]:
    first = 0  # row of the slice
    for batch in slices:
        values = [_numbers(pa, batch.column(name), name, first=first) for name in columns.values]
        ids = None if columns.id is None else row_ids(pa, batch.column(columns.id))
        yield ids, np.column_stack(values)
        first += len(batch)


def row_ids(pa: Any, column: Any) -> NDArray[Any]:
    """The values of `sequence`, none of them null."""
    if column.null_count:
        raise ShapeError(f"{SEQUENCE}: expected a name or number in every row, got null")
    _check_ids(pa, column, SEQUENCE)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def collected(rows: Iterable[Rows], spec: InputSpec) -> Iterator[Example]:
    """Sequences of rows: they are collected until another sequence begins."""
    chunks: list[NDArray[np.float32]] = []
    current: Any = None
    number = held = 0
    for ids, values in rows:
        changes = [] if ids is None else (np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist()
        for begin, end in itertools.pairwise([0, *changes, len(values)]):
            id = None if ids is None else ids[begin]
            if chunks and id != current:
                yield Example(_id(current, number), np.concatenate(chunks))
                chunks, held, number = [], 0, number + 1
            current = id
            chunks.append(values[begin:end])
            held += chunks[-1].nbytes
            if held > spec.max_bytes:
                raise TooLargeError(f"sequence {number}: expected {spec.max_bytes} bytes at most")
    if chunks:
        yield Example(_id(current, number), np.concatenate(chunks))


def _id(value: Any, number: int) -> int | str:
    if value is None:
        return number
    return int(value) if isinstance(value, int | np.integer) else str(value)


def _numbers(pa: Any, column: Any, name: str, *, first: int = 0) -> NDArray[np.float32]:
    """Null becomes NaN, which scoring rejects where it reads it. `first` is the number of the first row."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return parsed(pa, column, name, first=first)
    try:
        floats = column.cast(pa.float32(), safe=False)
    except pa.ArrowException as error:
        raise ShapeError(f"{name}: expected numbers: {error}") from None
    return np.asarray(floats.to_numpy(zero_copy_only=False), np.float32)


def parsed(pa: Any, column: Any, name: str, *, first: int = 0) -> NDArray[np.float32]:
    """Numbers of text, by the rule of `skiprnn.numerals`; a missing one is NaN, rejected where it is in an update."""
    compute = pa.compute
    text = compute.utf8_trim_whitespace(column.fill_null(""))
    missing = compute.is_in(text, value_set=pa.array(_MISSING, text.type))
    good = compute.or_(missing, compute.match_substring_regex(text, _NUMBER))
    digits = compute.if_else(compute.and_(good, compute.invert(missing)), text, "nan")
    numbers = compute.utf8_ltrim(digits, "+").cast(pa.float64()).to_numpy(zero_copy_only=False)
    bad = ~good.to_numpy(zero_copy_only=False) | np.isinf(numbers)
    if bad.any():
        row = int(bad.argmax())
        value = column[row].as_py()
        raise ShapeError(f"{name}: expected numbers, got {value!r:.100} in row {first + row + 1}")
    with np.errstate(over="ignore"):  # scoring rejects infinity where it reads it
        return np.asarray(numbers, np.float32)


# -- output


class _TableWriter:
    """A row a sequence, a record batch a call."""

    def __init__(self, sink: Sink, spec: OutputSpec) -> None:
        self._pa, self._spec = pyarrow("ipc", "parquet"), spec
        self._sink = self._pa.PythonFile(sink, mode="w")
        self._file: Any = None
        self._schema: Any = None

    def write(self, scored: Sequence[Scored]) -> None:
        batch = self._batch(scored)
        if self._file is None:
            self._schema = batch.schema
            self._file = self._open(batch.schema)
        if batch.schema != self._schema:
            raise MessageError("id: expected all numbers or all text, got both")
        self._file.write_batch(batch)

    def close(self) -> None:
        self._file.close()

    def _open(self, schema: Any) -> Any:
        raise NotImplementedError

    def _batch(self, scored: Sequence[Scored]) -> Any:
        pa, scores = self._pa, [one.score for one in scored]
        ids = [one.id for one in scored]
        columns = {
            "id": pa.array(ids if all(isinstance(id, int) for id in ids) else [str(id) for id in ids]),
            "samples": pa.array([score.samples for score in scores], pa.int64()),
            "update_count": pa.array([len(score.t) for score in scores], pa.int64()),
            "y": self._outputs([score.y[-1:] for score in scores]),
        }
        if self._spec.updates:
            ends = np.cumsum([0, *(len(score.t) for score in scores)], dtype=np.int32)
            t = pa.array(np.concatenate([score.t for score in scores]))
            columns["t"] = pa.ListArray.from_arrays(ends, t)
            columns["update_y"] = pa.ListArray.from_arrays(ends, self._outputs([score.y for score in scores]))
        batch = pa.RecordBatch.from_pydict(columns)
        return batch.replace_schema_metadata(self._metadata())

    def _outputs(self, y: Sequence[NDArray[np.float32]]) -> Any:
        """[·, K] as a column of lists of K."""
        flat = np.concatenate(y)
        return self._pa.FixedSizeListArray.from_arrays(self._pa.array(flat.ravel()), flat.shape[1])

    def _metadata(self) -> dict[str, bytes]:
        spec, outputs = self._spec, encode(self._spec.outputs)
        return {"model": spec.model.encode(), "version": spec.version.encode(), "outputs": outputs}


class ArrowWriter(_TableWriter):
    def _open(self, schema: Any) -> Any:
        return self._pa.ipc.new_stream(self._sink, schema)


class ArrowFileWriter(_TableWriter):
    def _open(self, schema: Any) -> Any:
        return self._pa.ipc.new_file(self._sink, schema)


class ParquetWriter(_TableWriter):
    def _open(self, schema: Any) -> Any:
        return self._pa.parquet.ParquetWriter(self._sink, schema)
