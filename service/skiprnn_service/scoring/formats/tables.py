"""Tables, batch by batch, by pyarrow: Arrow streams, Arrow files and Parquet.

Input, one of
    nested    a row a sequence: x is a list of lists of F numbers (or of numbers, where F = 1); id
    long      a row a sample: a column a feature (skiprnn_export.channels); rows with equal `sequence` are one sequence

Output: the columns of `rows.py`, y a list of K numbers, and lists t and update_y of all updates of a sequence.

A few hundred bytes can state billions of values. So only the columns that are needed are read, every batch is validated
before it is used, and it is used in slices whose sizes are known before anything is copied.
"""

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_export.channels import NUMBER, match, without_mark
from skiprnn_service.errors import ContentTypeError, MessageError, ShapeError, TooLargeError
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
from skiprnn_service.scoring.formats.times import Times

SEQUENCE, ID, X = "sequence", "id", "x"  # names of columns
MAX_COLUMNS = 10_000  # each costs kilobytes before its first value

_ROWS = 65_536  # samples of a slice
_NESTED_ROWS = 2048  # sequences of a slice
_NUMBER = f"^{NUMBER}$"
_MISSING = ("", "nan", "NaN", "-nan", "-NaN", "NA", "N/A", "n/a", "#N/A", "null", "NULL")

Scan = Callable[[Sequence[str]], Iterable[Any]]  # record batches of some columns, from the first row on


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
        time: of the times; None: there is none.
        carried: those that come back.
        decimal: the decimal mark of numbers that are text.
    """

    nested: bool
    values: list[str]
    id: str | None
    time: str | None
    carried: list[str]
    decimal: str = "."

    @property
    def names(self) -> list[str]:
        named = [name for name in (self.id, self.time) if name is not None]
        return list(dict.fromkeys([*self.values, *named, *self.carried]))


def read_arrow(file: BinaryIO, spec: InputSpec) -> Input:
    """An Arrow IPC stream."""
    pa = pyarrow("ipc", "compute")
    schema = pa.ipc.open_stream(file).schema

    def scan(names: Sequence[str]) -> Iterable[Any]:
        file.seek(0)
        reader: Iterable[Any] = pa.ipc.open_stream(file, options=_ipc_options(pa, schema, names))
        return reader

    return read_table(pa, schema, scan, spec)


def read_arrow_file(file: BinaryIO, spec: InputSpec) -> Input:
    """An Arrow IPC file, also called Feather (version 2)."""
    pa = pyarrow("ipc", "compute")
    schema = pa.ipc.open_file(file).schema

    def scan(names: Sequence[str]) -> Iterable[Any]:
        reader = pa.ipc.open_file(file, options=_ipc_options(pa, schema, names))
        return (reader.get_batch(number) for number in range(reader.num_record_batches))

    return read_table(pa, schema, scan, spec)


def _ipc_options(pa: Any, schema: Any, names: Sequence[str]) -> Any:
    included = [schema.names.index(name) for name in names]
    return pa.ipc.IpcReadOptions(included_fields=included, use_threads=False)


def read_parquet(file: BinaryIO, spec: InputSpec) -> Input:
    """Row group by row group. One that would take more than `max_bytes` is rejected before it is read."""
    pa = pyarrow("parquet", "compute")
    parquet = pa.parquet.ParquetFile(file)

    def scan(names: Sequence[str]) -> Iterable[Any]:
        _check_row_groups(parquet.metadata, names, spec)
        rows = 64 if X in names and _is_list(pa, parquet.schema_arrow.field(X).type) else _ROWS
        batches: Iterable[Any] = parquet.iter_batches(batch_size=rows, columns=list(names), use_threads=False)
        return batches

    return read_table(pa, parquet.schema_arrow, scan, spec)


def _check_row_groups(metadata: Any, names: Sequence[str], spec: InputSpec) -> None:
    """A few kilobytes of Parquet can hold billions of equal values, or one of a gigabyte: look before decoding."""
    paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    needed = [i for i, path in enumerate(paths) if {path, path.partition(".")[0]} & {*names}]
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = [group.column(i) for i in needed]
        size = max((max(4 * chunk.num_values, chunk.total_uncompressed_size) for chunk in chunks), default=0)
        if size > spec.max_bytes:
            raise TooLargeError(
                f"Parquet: expected row groups of {spec.max_bytes} bytes a column at most, "
                f"got {size} in row group {number}: write smaller row groups"
            )


def read_table(
    pa: Any,
    schema: Any,
    scan: Scan,
    spec: InputSpec,
    by_position: Iterable[int] | None = None,
    decimal: Callable[[Sequence[str]], str] = lambda _: ".",
) -> Input:
    """The sequences of a table.

    Args:
        scan: reads some of its columns.
        by_position: columns that may be features where none is named; None: those of numbers.
        decimal: the decimal mark in columns of text.
    """
    names = check_names(schema.names, spec)
    if X in names and _is_list(pa, schema.field(X).type):
        columns = _nested_columns(names, spec)
        slices = _slices(scan(columns.names), _NESTED_ROWS)
        return _input(schema, columns, _nested(pa, slices, columns, spec), [])
    numeric = [
        i
        for i, field in enumerate(schema)
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    columns = choose_columns(names, numeric if by_position is None else by_position, spec)
    columns = columns._replace(decimal=decimal(columns.values))
    return _input(schema, columns, _long(pa, scan, columns, spec), _warnings(pa, names, columns, scan, spec))


def _input(schema: Any, columns: Columns, examples: Iterator[Example], warnings: list[str]) -> Input:
    types = [schema.field(name).type for name in columns.carried]
    types = [getattr(type, "value_type", type) for type in types]  # of a dictionary
    found = dict(zip(columns.carried, types, strict=True))
    return Input(examples, carried=tuple(columns.carried), types=found, warnings=tuple(warnings))


def _nested_columns(names: list[str], spec: InputSpec) -> Columns:
    """Of a table with a row a sequence."""
    if spec.time is not None:
        raise ShapeError(
            f"time: expected rows that are samples, got a list column {X}: a row is a sequence here"
        )
    id = _named(names, spec.sequence, "sequence") if spec.sequence else ID if ID in names else None
    return Columns(True, [X], id, None, [_named(names, name, "carry") for name in spec.carried])


def choose_columns(names: list[str], by_position: Iterable[int], spec: InputSpec) -> Columns:
    """Of a table with a row a sample: where no column names a feature, those `by_position` that are no others."""
    id = (
        _named(names, spec.sequence, "sequence") if spec.sequence else SEQUENCE if SEQUENCE in names else None
    )
    time = None if spec.time is None else _named(names, spec.time, "time")
    carried = [_named(names, name, "time" if name == spec.time else "carry") for name in spec.carried]
    others = {id, time, *carried}
    chosen = [
        names[i] for i in _feature_columns(names, [i for i in by_position if names[i] not in others], spec)
    ]
    if len({*chosen}) < len(chosen):
        raise ShapeError(f"columns: expected each name once, got {chosen!s:.300}")
    return Columns(False, chosen, id, time, carried)


def _named(names: list[str], name: str, option: str) -> str:
    """The column of this name, with or without blanks around it. Raises ShapeError."""
    found = [column for column in names if name in (column, column.strip(), without_mark(column))]
    if len(found) != 1:
        got = f"{names!s:.300}" if not found else f"{len(found)} of them"
        raise ShapeError(f"{option}: expected a column {name!r:.100}, got {got}")
    return found[0]


def check_names(names: list[str], spec: InputSpec) -> list[str]:
    """Names of columns as they came. Raises TooLargeError, ShapeError: too many, or one that is needed twice."""
    if len(names) > MAX_COLUMNS:
        raise TooLargeError(f"columns: expected {MAX_COLUMNS} at most, got {len(names)}")
    for name in (*spec.names, X, ID, SEQUENCE):
        if names.count(name) > 1:
            raise ShapeError(f"columns: expected each name once, got {name!r:.100} twice")
    return names


def _feature_columns(names: list[str], by_position: Iterable[int], spec: InputSpec) -> list[int]:
    """Indices of the columns of the features, by name. Where no column names one: `by_position`."""
    try:
        found = match(names, spec.features)
    except ValueError as error:
        raise ShapeError(f"columns: {error!s:.600}") from None
    if found is None:
        found = list(by_position)
        if len(found) != len(spec.features):
            expected = f"a list column {X}, or columns {list(spec.names)}"
            raise ShapeError(f"columns: expected {expected}, got {names!s:.300}")
    return found


def _warnings(pa: Any, names: list[str], columns: Columns, scan: Scan, spec: InputSpec) -> list[str]:
    """Of columns that are left out. They may be damaged: then nothing is said of them."""
    left = [name for name in names if name not in columns.names and names.count(name) == 1]
    times = [columns.time] if columns.time else hints.like_times(left)[:1]
    found = list[str]()
    for name in times:
        try:
            found += about_rate(name, _timed(pa, scan, columns.id, name), spec.sample_rate)
        except MemoryError:
            raise
        except Exception:
            continue
    found += [] if columns.time else [hints.about_times(name) for name in times]
    if columns.id is not None:
        return found + _of_groups(pa, columns.id, hints.like_groups(left)[:1], scan)
    for name in hints.like_ids(left)[: hints.MOST_COLUMNS]:
        try:
            batches = (_grouped(pa, batch.column(0), name) for batch in _slices(scan([name]), _ROWS))
            found += hints.about_ids(name, ((batch.ids, len(batch.code)) for batch in batches))
        except MemoryError:
            raise
        except Exception:
            continue
    return found


def _timed(pa: Any, scan: Scan, id: str | None, time: str) -> Iterator[tuple[Grouped | None, Sequence[Any]]]:
    """The sequences and the times of some rows after others."""
    for batch in _slices(scan([time] if id in (None, time) else [str(id), time]), _ROWS):
        grouped = None if id is None else _grouped(pa, batch.column(id), id)
        yield grouped, _time_values(pa, batch.column(time))


def _of_groups(pa: Any, id: str, names: list[str], scan: Scan) -> list[str]:
    """Warnings about columns of groups that tell rows of a sequence apart."""
    found = []
    for name in names:
        try:
            slices = _slices(scan([id, name]), _ROWS)
            batches = (
                (_grouped(pa, _one(part, id), id), _grouped(pa, _one(part, name), name)) for part in slices
            )
            found += hints.about_groups(name, id, batches)
        except MemoryError:
            raise
        except Exception:
            continue
    return found


def _one(batch: Any, name: str) -> Any:
    return batch.column(batch.schema.get_field_index(name))


def _slices(batches: Iterable[Any], rows: int) -> Iterator[Any]:
    """Batches of so many rows at most, each of them validated: else a wrong offset ends the process."""
    for batch in batches:
        batch.validate(full=True)
        for begin in range(0, len(batch), rows):
            yield batch.slice(begin, rows)


# -- a row a sequence


def _nested(pa: Any, slices: Iterable[Any], columns: Columns, spec: InputSpec) -> Iterator[Example]:
    number = 0
    for batch in slices:
        values, lengths = _flat(pa, batch.column(X), spec, number)
        ids = [None] * len(batch) if columns.id is None else _nested_ids(pa, batch.column(columns.id))
        carried = [_plain(pa, batch.column(name), name) for name in columns.carried]
        for i, (x, id) in enumerate(zip(np.split(values, lengths.cumsum()[:-1]), ids, strict=True)):
            own = tuple(column[i : i + 1] for column in carried)
            yield Example(id, x, None, own)
            number += 1


def _nested_ids(pa: Any, column: Any) -> list[Any]:
    _check_ids(pa, column, ID)
    ids = _within_int64(column.to_pylist(), ID)
    return [id if isinstance(id, int | float | str | None) else str(id) for id in ids]


def _check_ids(pa: Any, column: Any, name: str) -> None:
    """Ids are numbers, text, times or durations; a long one would be written into every answer."""
    types, values = pa.types, column.dictionary if pa.types.is_dictionary(column.type) else column
    if types.is_nested(values.type) or types.is_dictionary(values.type) or types.is_interval(values.type):
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


def _long(pa: Any, scan: Scan, columns: Columns, spec: InputSpec) -> Iterator[Example]:
    last = None
    if columns.id is not None:
        batches = _slices(scan([columns.id]), _ROWS)
        last = last_rows(_grouped(pa, batch.column(0), columns.id) for batch in batches)
    yield from gather(_batches(pa, scan, columns), last, spec)


def _batches(pa: Any, scan: Scan, columns: Columns) -> Iterator[Batch]:
    first, times = 0, Times(columns.decimal)  # first: row of the slice
    for batch in _slices(scan(columns.names), _ROWS):
        values = [
            _numbers(pa, batch.column(name), name, first=first, decimal=columns.decimal)
            for name in columns.values
        ]
        grouped = None if columns.id is None else _grouped(pa, batch.column(columns.id), columns.id)
        carried = tuple(_plain(pa, batch.column(name), name) for name in columns.carried)
        time = None
        if columns.time is not None:
            time = time_keys(
                times, _time_values(pa, batch.column(columns.time)), grouped, columns.time, first
            )
        yield Batch(grouped, np.column_stack(values), time, carried)
        first += len(batch)


def _grouped(pa: Any, column: Any, name: str) -> Grouped:
    """Which of the distinct values of a column each row has; none of them is null or empty."""
    if column.null_count:
        raise ShapeError(f"{name}: expected a name or number in every row, got null")
    _check_ids(pa, column, name)
    encoded = pa.compute.dictionary_encode(_decoded(pa, column))
    code = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.intp)
    ids = _id_values(pa, encoded.dictionary, name)
    if "" in ids:
        raise ShapeError(f"{name}: expected a name or number in every row, got ''")
    return Grouped(ids, code)


def _id_values(pa: Any, column: Any, name: str) -> list[int | str]:
    """Whole numbers as such, all else as text."""
    column = _decoded(pa, column)
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    return [id if type(id) is int else str(id) for id in _within_int64(column.to_pylist(), name)]


def _within_int64(ids: list[Any], name: str) -> list[Any]:
    """The same ids. Raises ShapeError: not every format could write one as a whole number (`json` rejects it too)."""
    for id in ids:
        if type(id) is int and id >= 2**63:
            raise ShapeError(
                f"{name:.100}: expected whole numbers below 2^63, got {id}: write the ids as text"
            )
    return ids


def _decoded(pa: Any, column: Any) -> Any:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _plain(pa: Any, column: Any, name: str) -> NDArray[Any]:
    """Values that are carried through [n]: of numpy's type, or of Python's where some are null."""
    types, column = pa.types, _decoded(pa, column)
    if types.is_nested(column.type) or types.is_interval(column.type):
        raise ShapeError(f"carry: expected numbers, text or times in {name!r:.100}, got {column.type!s:.100}")
    _check_ids(pa, column, name)
    known = (types.is_timestamp, types.is_duration, types.is_floating)  # whose missing values numpy has too
    if column.null_count and not any(is_type(column.type) for is_type in known):
        found = np.empty(len(column), object)
        found[:] = column.to_pylist()
        return found
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _time_values(pa: Any, column: Any) -> list[Any]:
    """Times as whole numbers of their unit, which all rows share; numbers and text as they are."""
    column = _decoded(pa, column)
    if pa.types.is_temporal(column.type):
        column = column.view(pa.int64() if column.type.bit_width == 64 else pa.int32())
    values: list[Any] = column.to_pylist()
    return values


def time_keys(
    times: Times, values: Sequence[Any], grouped: Grouped | None, name: str, first: int
) -> NDArray[Any]:
    """What orders rows of these times. Raises ShapeError: one is missing, or is no time."""
    keys = times.keys(values)
    if None in keys:
        row = keys.index(None)
        id: int | str = 0 if grouped is None else grouped.ids[grouped.code[row]]
        raise ShapeError(
            f"{name:.100}: expected a time in every row, a number, a duration such as 0:01:02.5 or as ISO 8601 "
            "writes it, all of one kind; "
            f"got {values[row]!r:.100} in row {first + row + 1}, of sequence {id!r:.100}"
        )
    return np.array(keys, "m8[ns]" if times.are_durations else None)


def _numbers(pa: Any, column: Any, name: str, *, first: int = 0, decimal: str = ".") -> NDArray[np.float32]:
    """Null becomes NaN, which scoring rejects where it reads it. `first` is the number of the first row."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return parsed(pa, column, name, first=first, decimal=decimal)
    try:
        floats = column.cast(pa.float32(), safe=False)
    except pa.ArrowException as error:
        raise ShapeError(f"{name}: expected numbers: {error}") from None
    return np.asarray(floats.to_numpy(zero_copy_only=False), np.float32)


def parsed(pa: Any, column: Any, name: str, *, first: int = 0, decimal: str = ".") -> NDArray[np.float32]:
    """Numbers of text, by the rule of `skiprnn.numerals`; a missing one is NaN, rejected where it is in an update."""
    compute = pa.compute
    text = compute.utf8_trim_whitespace(column.fill_null(""))
    if decimal != ".":
        text = compute.replace_substring(compute.replace_substring(text, ".", "_"), decimal, ".")
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


class _TableWriter(ABC):
    """A record batch a call."""

    def __init__(self, sink: Sink, spec: OutputSpec) -> None:
        self._pa, self._spec = pyarrow("ipc", "parquet"), spec
        self._sink = self._pa.PythonFile(sink, mode="w")
        self._file: Any = None
        self._schema: Any = None

    def write(self, rows: Rows) -> None:
        batch = self._batch(rows)
        if self._file is None:
            self._schema = batch.schema
            self._file = self._open(batch.schema)
        for before, now in zip(self._schema, batch.schema, strict=True):
            if before != now:
                raise MessageError(_one_type(now.name, before.type, now.type))
        self._file.write_batch(batch)

    def close(self) -> None:
        self._file.close()

    @abstractmethod
    def _open(self, schema: Any) -> Any:
        """pyarrow's writer of this format into the sink."""

    def _batch(self, rows: Rows) -> Any:
        pa = self._pa
        columns = {name: self._column(name, values) for name, values in rows.columns.items()}
        columns["y"] = self._outputs(rows.y)
        if rows.updates is not None:
            ends = np.cumsum([0, *(len(score.t) for score in rows.updates)], dtype=np.int32)
            t = pa.array(np.concatenate([score.t for score in rows.updates]))
            columns["t"] = pa.ListArray.from_arrays(ends, t)
            y = self._outputs(np.concatenate([score.y for score in rows.updates]))
            columns["update_y"] = pa.ListArray.from_arrays(ends, y)
        return pa.RecordBatch.from_pydict(columns).replace_schema_metadata(self._metadata())

    def _column(self, name: str, values: Any) -> Any:
        """Of the type that the input had, where it is known."""
        pa = self._pa
        if name == "id":
            return self._ids(values)
        try:
            return pa.array(values, self._spec.types.get(name), from_pandas=False)
        except pa.ArrowException as error:
            raise MessageError(f"{name:.100}: expected one type for a table: {error!s:.300}") from None

    def _ids(self, ids: Sequence[int | str]) -> Any:
        """Whole numbers, or text. Both are an error however many sequences are written at a time."""
        whole = {type(id) is int for id in ids}
        if len(whole) > 1:
            raise MessageError(_one_type("id", "numbers", "text"))
        return self._pa.array(ids if whole == {True} else [*map(str, ids)])

    def _outputs(self, y: NDArray[np.float32]) -> Any:
        """[·, K] as a column of lists of K."""
        return self._pa.FixedSizeListArray.from_arrays(self._pa.array(y.ravel()), y.shape[1])

    def _metadata(self) -> dict[str, bytes]:
        spec, outputs = self._spec, encode(self._spec.outputs)
        return {"model": spec.model.encode(), "version": spec.version.encode(), "outputs": outputs}


def _one_type(name: str, one: object, other: object) -> str:
    return (
        f"{name:.100}: expected one type for a table, got {one} and {other}: "
        "write all values as numbers or all as text, or take JSON or CSV"
    )


class ArrowWriter(_TableWriter):
    def _open(self, schema: Any) -> Any:
        return self._pa.ipc.new_stream(self._sink, schema)


class ArrowFileWriter(_TableWriter):
    def _open(self, schema: Any) -> Any:
        return self._pa.ipc.new_file(self._sink, schema)


class ParquetWriter(_TableWriter):
    def _open(self, schema: Any) -> Any:
        return self._pa.parquet.ParquetWriter(self._sink, schema)
