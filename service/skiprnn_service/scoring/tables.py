"""Sequences out of tables, batch by batch: Arrow, Parquet and CSV, by pyarrow.

nested    a row a sequence: x is a list of lists of F numbers (or of numbers, where F = 1); id
long      a row a sample: a column a feature, by name or in order; `sequence` says which rows belong together
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats import Item, Layout, pyarrow

SEQUENCE, ID, X = "sequence", "id", "x"  # names of columns

_ROWS = 65_536  # samples of a batch
_NESTED_ROWS = 64  # sequences of a batch
_BLOCK = 1 << 20  # bytes of CSV that are parsed at a time


def read_arrow(file: BinaryIO, layout: Layout) -> Iterator[Item]:
    """An Arrow IPC stream."""
    pa = pyarrow("ipc")
    try:
        reader = pa.ipc.open_stream(file)
        yield from _items(reader, reader.schema, layout)
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"Arrow stream: {error}") from None


def read_arrow_file(file: BinaryIO, layout: Layout) -> Iterator[Item]:
    """An Arrow IPC file, also called Feather (version 2)."""
    pa = pyarrow("ipc")
    try:
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        yield from _items(batches, reader.schema, layout)
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"Arrow file: {error}") from None


def read_parquet(file: BinaryIO, layout: Layout) -> Iterator[Item]:
    """Row group by row group. One that would take more than the layout allows is refused before it is read."""
    pa = pyarrow("parquet")
    try:
        parquet = pa.parquet.ParquetFile(file)
        _check_row_groups(parquet.metadata, layout)
        rows = _NESTED_ROWS if X in parquet.schema_arrow.names else _ROWS
        batches = parquet.iter_batches(batch_size=rows, use_threads=False)
        yield from _items(batches, parquet.schema_arrow, layout)
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"Parquet: {error}") from None


def read_csv(file: BinaryIO, layout: Layout) -> Iterator[Item]:
    """With a header line; a row a sample."""
    pa = pyarrow("csv")
    try:
        options = pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False)
        reader = pa.csv.open_csv(file, read_options=options)
        yield from _items(reader, reader.schema, layout)
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"CSV: {error}") from None


def _check_row_groups(metadata: Any, layout: Layout) -> None:
    """A few kilobytes of Parquet can hold billions of equal values: look before decoding."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        size = 4 * max((group.column(i).num_values for i in range(group.num_columns)), default=0)
        if size > layout.max_bytes:
            raise TooLargeError(
                f"Parquet: expected row groups of {layout.max_bytes} bytes a column at most, "
                f"got {size} in row group {number}: write smaller row groups"
            )


def _items(batches: Iterable[Any], schema: Any, layout: Layout) -> Iterator[Item]:
    pa = pyarrow()
    if X in schema.names and _is_list(pa, schema.field(X).type):
        return _nested(pa, batches, layout)
    return _long(pa, batches, _columns(pa, schema, layout), SEQUENCE in schema.names, layout)


# -- a row a sequence


def _nested(pa: Any, batches: Iterable[Any], layout: Layout) -> Iterator[Item]:
    number = 0
    for batch in batches:
        column = batch.column(X)
        ids = batch.column(ID).to_pylist() if ID in batch.schema.names else [None] * len(batch)
        values, lengths = _flat(pa, column, layout, number)
        for x, id in zip(np.split(values, lengths.cumsum()[:-1]), ids, strict=True):
            yield Item(number if id is None else id, x)
            number += 1


def _flat(pa: Any, column: Any, layout: Layout, number: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All samples of a column [ΣT, F], and how many each row has."""
    F, rows = len(layout.features), column.flatten()
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
    if 4 * len(rows) > layout.max_bytes:
        raise TooLargeError(f"{X}: expected {layout.max_bytes} bytes at most in a batch of rows")
    return _numbers(pa, rows, X).reshape(-1, F), lengths


def _lengths(column: Any) -> NDArray[np.int64]:
    import pyarrow.compute

    return np.asarray(
        pyarrow.compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False), np.int64
    )


def _is_list(pa: Any, kind: Any) -> bool:
    is_one: bool = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_one


# -- a row a sample


def _columns(pa: Any, schema: Any, layout: Layout) -> list[str]:
    """Those of the features: by their names where all are there, else all columns of numbers in their order."""
    if set(layout.features) <= set(schema.names):
        return list(layout.features)
    numeric = [
        field.name
        for field in schema
        if field.name != SEQUENCE and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
    ]
    if len(numeric) != len(layout.features):
        expected = f"a list column {X}, or columns {list(layout.features)}"
        raise ShapeError(f"columns: expected {expected}, got {schema.names!s:.300}")
    return numeric


def _long(pa: Any, batches: Iterable[Any], columns: list[str], named: bool, layout: Layout) -> Iterator[Item]:
    """Rows are collected until another sequence begins."""
    pieces: list[NDArray[np.float32]] = []
    current: Any = None
    number = held = 0
    for batch in batches:
        if not len(batch):
            continue
        values = np.column_stack([_numbers(pa, batch.column(name), name) for name in columns])
        ids = _ids(batch) if named else np.zeros(len(batch), int)
        bounds = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)]
        for begin, end in itertools.pairwise(bounds):
            if pieces and ids[begin] != current:
                yield Item(_id(current, number, named), np.concatenate(pieces))
                pieces, held, number = [], 0, number + 1
            current = ids[begin]
            pieces.append(values[begin:end])
            held += pieces[-1].nbytes
            if held > layout.max_bytes:
                raise TooLargeError(f"sequence {number}: expected {layout.max_bytes} bytes at most")
    if pieces:
        yield Item(_id(current, number, named), np.concatenate(pieces))


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
    """Null becomes NaN, which is refused where it is read."""
    try:
        floats = column.cast(pa.float32(), safe=False)
    except pa.ArrowException as error:
        raise ShapeError(f"{name}: expected numbers: {error}") from None
    return np.asarray(floats.to_numpy(zero_copy_only=False), np.float32)
