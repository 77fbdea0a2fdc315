"""Sequences as files and bodies of every kind, as their users would write them."""

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def padded(sequences: list[Samples]) -> tuple[Samples, NDArray[np.int64]]:
    lengths = np.array([len(x) for x in sequences])
    x = np.full((len(sequences), lengths.max(), 3), np.nan, np.float32)
    for row, values in zip(x, sequences, strict=True):
        row[: len(values)] = values
    return x, lengths


def nested(sequences: list[Samples], *, fixed: bool = False, ids: list[Any] | None = None) -> pa.Table:
    inner = pa.list_(pa.float32(), 3) if fixed else pa.list_(pa.float32())
    columns = {"x": pa.array([x.tolist() for x in sequences], pa.list_(inner))}
    return pa.table(columns | ({} if ids is None else {"id": ids}))


def long(sequences: list[Samples], *, names: tuple[str, ...] = ("x0", "x1", "x2")) -> pa.Table:
    flat = np.concatenate(sequences)
    number = np.repeat([f"s{i}" for i in range(len(sequences))], [len(x) for x in sequences])
    columns = {name: flat[:, i] for i, name in enumerate(names)}
    return pa.table({"sequence": number} | columns)


def as_arrow(table: pa.Table, rows: int = 50, compression: str | None = None) -> bytes:
    sink, options = io.BytesIO(), pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def as_arrow_file(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


def as_parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink, row_group_size=50, **options)
    return sink.getvalue()


def as_csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pa.csv.write_csv(table, sink)
    return sink.getvalue()


def as_npy(x: NDArray[Any]) -> bytes:
    sink = io.BytesIO()
    np.save(sink, x)
    return sink.getvalue()


def as_npz(**arrays: NDArray[Any]) -> bytes:
    sink = io.BytesIO()
    np.savez_compressed(sink, **arrays)  # type: ignore[arg-type]
    return sink.getvalue()


def as_ndjson(sequences: list[Samples]) -> bytes:
    return b"\n".join(json.dumps({"id": f"s{i}", "x": x.tolist()}).encode() for i, x in enumerate(sequences))


def as_padded_npz(sequences: list[Samples]) -> bytes:
    x, lengths = padded(sequences)
    return as_npz(x=x, lengths=lengths)


def as_joined_npz(sequences: list[Samples]) -> bytes:
    return as_npz(x=np.concatenate(sequences), lengths=np.array([len(x) for x in sequences]))
