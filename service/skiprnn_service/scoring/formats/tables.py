"""Tables, batch by batch, by pyarrow: Arrow streams, Arrow files and Parquet.

Input, one of
    nested    a row a sequence: x is a list of lists of F numbers (or of numbers, where F = 1); id
    long      a row a sample: a column a feature, by name or in order; rows with equal `sequence` are one sequence

Output: a row a sequence with the columns id, samples, update_count, y, and lists t and update_y of its updates.
"""

import importlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import ContentTypeError, MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import Example, InputSpec, OutputSpec, Scored, Sink, encode

SEQUENCE, ID, X = "sequence", "id", "x"  # names of columns

_ROWS = 65_536  # samples of a batch
_NESTED_ROWS = 64  # sequences of a batch


def pyarrow(*modules: str) -> Any:
    """pyarrow, with some of its modules imported. Raises ContentTypeError where it is not installed."""
    try:
        for module in modules:
            importlib.import_module(f"pyarrow.{module}")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise ContentTypeError(
            "Arrow, Parquet and CSV need pyarrow, which is not installed here: pip install 'skiprnn[score]'"
        ) from None


def read_arrow(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """An Arrow IPC stream."""
    pa = pyarrow("ipc")
    try:
        reader = pa.ipc.open_stream(file)
        yield from examples(reader, reader.schema, spec)
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"Arrow stream: {error}") from None


def read_arrow_file(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """An Arrow IPC file, also called Feather (version 2)."""
    pa = pyarrow("ipc")
    try:
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        yield from examples(batches, reader.schema, spec)
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"Arrow file: {error}") from None


def read_parquet(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """Row group by row group. One that would take more than `max_bytes` is rejected before it is read."""
    pa = pyarrow("parquet")
    try:
        parquet = pa.parquet.ParquetFile(file)
        _check_row_groups(parquet.metadata, spec)
        rows = _NESTED_ROWS if X in parquet.schema_arrow.names else _ROWS
        batches = parquet.iter_batches(batch_size=rows, use_threads=False)
        yield from examples(batches, parquet.schema_arrow, spec)
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"Parquet: {error}") from None


def _check_row_groups(metadata: Any, spec: InputSpec) -> None:
    """A few kilobytes of Parquet can hold billions of equal values: look before decoding."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        size = 4 * max((group.column(i).num_values for i in range(group.num_columns)), default=0)
        if size > spec.max_bytes:
            raise TooLargeError(
                f"Parquet: expected row groups of {spec.max_bytes} bytes a column at most, "
                f"got {size} in row group {number}: write smaller row groups"
            )


def examples(batches: Iterable[Any], schema: Any, spec: InputSpec) -> Iterator[Example]:
    """The sequences of record batches."""
    pa = pyarrow()
    for name in (*spec.features, X, ID, SEQUENCE):
        if schema.names.count(name) > 1:
            raise ShapeError(f"columns: expected each name once, got {name!r:.100} twice")
    if X in schema.names and _is_list(pa, schema.field(X).type):
        return _nested(pa, batches, spec)
    return _long(pa, batches, _columns(pa, schema, spec), SEQUENCE in schema.names, spec)


# -- a row a sequence


def _nested(pa: Any, batches: Iterable[Any], spec: InputSpec) -> Iterator[Example]:
    number = 0
    for batch in batches:
        column = batch.column(X)
        ids = _nested_ids(pa, batch)
        values, lengths = _flat(pa, column, spec, number)
        for x, id in zip(np.split(values, lengths.cumsum()[:-1]), ids, strict=True):
            yield Example(number if id is None else id, x)
            number += 1


def _nested_ids(pa: Any, batch: Any) -> list[Any]:
    if ID not in batch.schema.names:
        return [None] * len(batch)
    column = batch.column(ID)
    if pa.types.is_nested(column.type):
        raise ShapeError(f"{ID}: expected numbers or text, got {column.type!s:.100}")
    ids: list[Any] = column.to_pylist()
    return [id if isinstance(id, int | float | str | None) else str(id) for id in ids]


def _flat(
    pa: Any, column: Any, spec: InputSpec, number: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All samples of a column [ΣT, F], and how many each row has."""
    F, rows = len(spec.features), column.flatten()
    lengths = _lengths(column)
    if column.null_count or not len(column) or (lengths < 1).any():
        raise ShapeError(
            f"{X}: expected a list of samples a row, got an empty one or null from row {number} on"
        )
    if _is_list(pa, rows.type):
        if rows.null_count or (_lengths(rows) != F).any():
            raise ShapeError(f"{X}: expected lists of {F} numbers, got others from row {number} on")
        rows = rows.flatten()
    elif F != 1:
        raise ShapeError(f"{X}: expected a list of lists of {F} numbers, got {column.type}")
    if 4 * len(rows) > spec.max_bytes:
        raise TooLargeError(f"{X}: expected {spec.max_bytes} bytes at most in a batch of rows")
    return _numbers(pa, rows, X).reshape(-1, F), lengths


def _lengths(column: Any) -> NDArray[np.int64]:
    import pyarrow.compute

    return np.asarray(
        pyarrow.compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False), np.int64
    )


def _is_list(pa: Any, type: Any) -> bool:
    types = pa.types
    return bool(types.is_list(type) or types.is_large_list(type) or types.is_fixed_size_list(type))


# -- a row a sample


def _columns(pa: Any, schema: Any, spec: InputSpec) -> list[str]:
    """The columns of the features: by name if all are there, else all numeric columns in their order."""
    if set(spec.features) <= set(schema.names):
        return list(spec.features)
    numeric = [
        field.name
        for field in schema
        if field.name != SEQUENCE and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
    ]
    if len(numeric) != len(spec.features):
        expected = f"a list column {X}, or columns {list(spec.features)}"
        raise ShapeError(f"columns: expected {expected}, got {schema.names!s:.300}")
    return numeric


def _long(
    pa: Any, batches: Iterable[Any], columns: list[str], named: bool, spec: InputSpec
) -> Iterator[Example]:
    """Rows are collected until another sequence begins."""
    chunks: list[NDArray[np.float32]] = []
    current: Any = None
    number = held = 0
    for batch in batches:
        if not len(batch):
            continue
        values = np.column_stack([_numbers(pa, batch.column(name), name) for name in columns])
        ids = _ids(batch) if named else np.zeros(len(batch), int)
        bounds = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
        for begin, end in itertools.pairwise(bounds):
            if chunks and ids[begin] != current:
                yield Example(_id(current, number, named), np.concatenate(chunks))
                chunks, held, number = [], 0, number + 1
            current = ids[begin]
            chunks.append(values[begin:end])
            held += chunks[-1].nbytes
            if held > spec.max_bytes:
                raise TooLargeError(f"sequence {number}: expected {spec.max_bytes} bytes at most")
    if chunks:
        yield Example(_id(current, number, named), np.concatenate(chunks))


def _ids(batch: Any) -> NDArray[Any]:
    column = batch.column(SEQUENCE)
    if column.null_count:
        raise ShapeError(f"{SEQUENCE}: expected a name or number in every row, got null")
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _id(value: Any, number: int, named: bool) -> int | str:
    if not named:
        return number
    return int(value) if isinstance(value, int | np.integer) else str(value)


def _numbers(pa: Any, column: Any, name: str) -> NDArray[np.float32]:
    """Null becomes NaN, which scoring rejects where it reads it."""
    try:
        floats = column.cast(pa.float32(), safe=False)
    except pa.ArrowException as error:
        raise ShapeError(f"{name}: expected numbers: {error}") from None
    return np.asarray(floats.to_numpy(zero_copy_only=False), np.float32)


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
