"""Bodies of scoring requests that ended the server, filled its memory, or were answered with 500."""

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from support.score_bodies import as_npy, as_npz

MIB = 1 << 20


class Hostile(NamedTuple):
    """A body of a format, and the statuses that it may be answered with."""

    format: str
    body: Callable[[], bytes]
    statuses: tuple[int, ...] = (400,)


def arrow(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(
        sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)
    ) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow_file(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pa.parquet.write_table(table, sink, **options)
    return sink.getvalue()


def sequences(features: int = 3) -> pa.Array:
    return pa.array(np.ones((4, 6, features)).tolist(), pa.list_(pa.list_(pa.float32())))


def shifted(features: int, by: int, write: Callable[[pa.Table], bytes] = arrow) -> bytes:
    """Inner offsets that point gibibytes away."""
    body = write(pa.table({"x": sequences(features)}))
    offsets = np.arange(0, 25 * features, features, dtype=np.int32)
    assert body.count(offsets.tobytes()) == 1
    return body.replace(offsets.tobytes(), (offsets + np.int32(by)).tobytes())


def many_nulls(rows: int, features: int) -> bytes:
    """A few hundred bytes that state so many samples: a null takes no space."""
    nulls = pa.nulls(rows * features)
    samples = pa.FixedSizeListArray.from_arrays(nulls, features)
    return arrow(pa.table({"x": pa.FixedSizeListArray.from_arrays(samples, rows)}))


def rows_of_nulls(rows: int, features: int) -> bytes:
    return arrow(pa.table({f"x{i}": pa.nulls(rows) for i in range(features)}))


def long_text(size: int) -> pa.Array:
    """A column of one text."""
    buffers = [None, pa.py_buffer(np.array([0, size], np.int64)), pa.py_buffer(np.zeros(size, np.int8))]
    return pa.Array.from_buffers(pa.large_string(), 1, buffers)


def long_id(size: int) -> bytes:
    table = pa.table({"x": sequences()[:1], "id": long_text(size)})
    return parquet(table, compression="zstd", use_dictionary=False, write_statistics=False)


def repeated_id(size: int, rows: int) -> bytes:
    """One value in a dictionary, for every row."""
    ids = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["a" * size]))
    columns = {name: np.zeros(rows, np.float32) for name in ("x0", "x1", "x2")}
    return parquet(pa.table({"sequence": ids} | columns), compression="zstd")


def unused_column(size: int) -> bytes:
    zeros = pa.array(np.zeros(size, np.int8))
    column = pa.FixedSizeListArray.from_arrays(zeros, size)
    return arrow(pa.table({"x": sequences()[:1], "unused": column}), "zstd")


def large_dictionary(size: int) -> bytes:
    ids = pa.DictionaryArray.from_arrays(np.zeros(4, np.int32), long_text(size))
    return arrow(pa.table({"x": sequences(), "id": ids}), "zstd")


def wide_csv(columns: int) -> bytes:
    return b",".join(b"c%d" % i for i in range(columns)) + b"\n" + b",".join([b"1"] * columns) + b"\n"


def bad_utf8() -> bytes:
    body = arrow(pa.table({"unusedd": [1.0], "x0": [1.0], "x1": [1.0], "x2": [1.0]}))
    return body.replace(b"unusedd", b"unuse\xff\xfe")


def npy_header(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(72)


def minuses(count: int) -> bytes:
    return npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "-" * count + "1, 3)}")


def zipped(name: str, data: bytes, compression: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", compression) as archive:
        archive.writestr(name, data)
    return sink.getvalue()


def damaged_deflate() -> bytes:
    body = bytearray(as_npz(x=np.random.default_rng(0).standard_normal((100, 3)).astype(np.float32)))
    body[200:260] = b"\xff" * 60
    return bytes(body)


def stated_lengths(count: int) -> bytes:
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({count},)}}"
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("x.npy", as_npy(np.ones((6, 3), np.float32)))
        archive.writestr("lengths.npy", npy_header(header))
    return sink.getvalue()


def nested_types(depth: int) -> bytes:
    type_ = pa.float32()
    for _ in range(depth):
        type_ = pa.list_(type_)
    return arrow(pa.table({"x": pa.array([None], type_)}))


def two_columns(write: Callable[[pa.Table], bytes]) -> bytes:
    return write(pa.Table.from_arrays([sequences(), sequences()], ["x", "x"]))


def late_time(write: Callable[[pa.Table], bytes]) -> bytes:
    ids = pa.array([2**62, 1, 2, 3], pa.timestamp("ms"))
    return write(pa.table({"x": sequences(), "id": ids}))


_LARGE = (400, 413, 500)  # 500: the process died, and nothing else
HOSTILE = {
    "offsets added": Hostile("arrow", lambda: shifted(3, 400_000_000)),
    "offsets subtracted": Hostile("arrow", lambda: shifted(3, -400_000_000)),
    "offsets added in a file": Hostile("arrow_file", lambda: shifted(3, 400_000_000, arrow_file)),
    "5e8 samples of nulls": Hostile("arrow", lambda: many_nulls(500_000_000, 3), (413,)),
    "5e8 rows of nulls": Hostile("arrow", lambda: rows_of_nulls(500_000_000, 3), (400, 413)),
    "an id of 256 MiB": Hostile("parquet", lambda: long_id(256 * MIB), (413,)),
    "an id of 1 MiB in 50,000 rows": Hostile("parquet", lambda: repeated_id(MIB, 50_000), (413,)),
    "an unused column of 1.5 GiB": Hostile("arrow", lambda: unused_column(1536 * MIB), (200,)),
    "a dictionary of 1 GiB": Hostile("arrow", lambda: large_dictionary(1024 * MIB), (413,)),
    "140,000 columns": Hostile("csv", lambda: wide_csv(140_000), (413,)),
    "x twice": Hostile("arrow", lambda: two_columns(arrow)),
    "x twice in Parquet": Hostile("parquet", lambda: two_columns(parquet)),
    "a late timestamp": Hostile("arrow", lambda: late_time(arrow)),
    "a late timestamp in Parquet": Hostile("parquet", lambda: late_time(parquet)),
    "bad UTF-8 in a schema": Hostile("arrow", bad_utf8),
    "a type of 60 lists": Hostile("arrow", lambda: nested_types(60)),
    "5,000 minuses": Hostile("npy", lambda: minuses(5000)),
    "9,000 minuses": Hostile("npy", lambda: minuses(9000)),
    "a shape of -1": Hostile(
        "npy", lambda: npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}")
    ),
    "an entry that is no array": Hostile("npz", lambda: zipped("x.txt", b"1", zipfile.ZIP_DEFLATED)),
    "LZMA": Hostile("npz", lambda: zipped("x.npy", as_npy(np.ones((6, 3), np.float32)), zipfile.ZIP_LZMA)),
    "BZIP2": Hostile("npz", lambda: zipped("x.npy", as_npy(np.ones((6, 3), np.float32)), zipfile.ZIP_BZIP2)),
    "damaged deflate": Hostile("npz", damaged_deflate),
    "lengths of 10^13": Hostile("npz", lambda: stated_lengths(10**13)),
    "deep JSON": Hostile("json", lambda: b'{"sequences": ' + b"[" * 200_000),
    "deep NDJSON": Hostile("ndjson", lambda: b'{"x": ' + b"[" * 200_000),
}
