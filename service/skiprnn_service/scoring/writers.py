"""Scores as files and bodies of every kind (score_formats.py), written as they are ready.

    id, samples, update_count, y                   of every sequence: y is the output after its last sample
    updates: [{t, y}, …]  or  t, update_y          likewise, where all updates are asked for

Nothing is written before the first scores are there, so a request that fails at once can still be refused.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError
from skiprnn_service.scoring.formats import Said, pyarrow
from skiprnn_service.scoring.score import Score


class Scored(NamedTuple):
    """A sequence's name and its score."""

    id: int | str
    score: Score


class Writer(Protocol):
    """Scores to a sink that has `write`."""

    def write(self, scored: Sequence[Scored]) -> None:
        """One sequence at least, behind those that were written."""

    def close(self) -> None:
        """That was all. The sink stays open."""


def writer(kind: str, sink: BinaryIO, said: Said) -> Writer:
    """A writer of a kind. Raises ContentTypeError: pyarrow is missing."""
    return _WRITERS[kind](sink, said)


_encode = msgspec.json.Encoder().encode


def _fields(scored: Scored, said: Said) -> dict[str, Any]:
    """Each float reads back as the same float32."""
    id, (samples, t, y, _) = scored
    found = {"id": id, "samples": samples, "update_count": len(t), "y": y[-1].tolist()}
    if said.updates:
        found["updates"] = [{"t": t, "y": y} for t, y in zip(t.tolist(), y.tolist(), strict=True)]
    return found


class _Json:
    """One object."""

    def __init__(self, sink: BinaryIO, said: Said) -> None:
        self._sink, self._said = sink, said
        self._before = _encode({"model": said.model, "version": said.version})[:-1] + b',"scores":['

    def write(self, scored: Sequence[Scored]) -> None:
        for one in scored:
            self._sink.write(self._before + _encode(_fields(one, self._said)))
            self._before = b","

    def close(self) -> None:
        self._sink.write(b"]}")


class _Ndjson:
    """An object a line."""

    def __init__(self, sink: BinaryIO, said: Said) -> None:
        self._sink, self._said = sink, said

    def write(self, scored: Sequence[Scored]) -> None:
        for one in scored:
            self._sink.write(_encode(_fields(one, self._said)) + b"\n")

    def close(self) -> None: ...


class _Csv:
    """A row a sequence; never its updates."""

    def __init__(self, sink: BinaryIO, said: Said) -> None:
        self._sink = sink
        self._header = ["id", "samples", "update_count", *said.outputs]

    def write(self, scored: Sequence[Scored]) -> None:
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if self._header:
            lines.writerow(self._header)
            self._header = []
        for id, (samples, t, y, _) in scored:
            lines.writerow([id, samples, len(t), *y[-1].tolist()])
        self._sink.write(text.getvalue().encode())

    def close(self) -> None: ...


class _Npz:
    """At the end: id, samples, update_count [N], y [N, K]; and t [M], update_y [M, K] of all sequences together."""

    def __init__(self, sink: BinaryIO, said: Said) -> None:
        self._sink, self._said = sink, said
        self._ids: list[int | str] = []
        self._counts: list[tuple[int, int]] = []  # samples, updates
        self._y: list[NDArray[np.float32]] = []
        self._updates: list[Score] = []

    def write(self, scored: Sequence[Scored]) -> None:
        for id, score in scored:
            self._ids.append(id)
            self._counts.append((score.samples, len(score.t)))
            self._y.append(score.y[-1].copy())  # a view would keep all updates
            if self._said.updates:
                self._updates.append(score)

    def close(self) -> None:
        samples, counts = np.array(self._counts).T
        arrays = {
            "id": np.array(self._ids),
            "samples": samples,
            "update_count": counts,
            "y": np.stack(self._y),
        }
        if self._said.updates:
            arrays["t"] = np.concatenate([score.t for score in self._updates])
            arrays["update_y"] = np.concatenate([score.y for score in self._updates])
        with zipfile.ZipFile(_Counted(self._sink), "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)


class _Npy:
    """At the end: y [N, K] alone."""

    def __init__(self, sink: BinaryIO, _: Said) -> None:
        self._sink = sink
        self._y: list[NDArray[np.float32]] = []

    def write(self, scored: Sequence[Scored]) -> None:
        self._y.extend(one.score.y[-1].copy() for one in scored)

    def close(self) -> None:
        np.lib.format.write_array(_Counted(self._sink), np.stack(self._y), allow_pickle=False)


class _Table:
    """Arrow or Parquet: a row a sequence, a record batch a call."""

    def __init__(self, sink: BinaryIO, said: Said, *, kind: str) -> None:
        self._pa = pyarrow("ipc", "parquet")
        self._sink, self._said, self._kind = self._pa.PythonFile(_Counted(sink), mode="w"), said, kind
        self._out: Any = None
        self._schema: Any = None

    def write(self, scored: Sequence[Scored]) -> None:
        batch = self._batch(scored)
        if self._out is None:
            self._schema = batch.schema
            self._out = self._opened(batch.schema)
        if batch.schema != self._schema:
            raise MessageError("id: expected all numbers or all text, got both")
        self._out.write_batch(batch)

    def close(self) -> None:
        self._out.close()

    def _opened(self, schema: Any) -> Any:
        if self._kind == "parquet":
            return self._pa.parquet.ParquetWriter(self._sink, schema)
        if self._kind == "arrow":
            return self._pa.ipc.new_stream(self._sink, schema)
        return self._pa.ipc.new_file(self._sink, schema)

    def _batch(self, scored: Sequence[Scored]) -> Any:
        pa, scores = self._pa, [one.score for one in scored]
        ids = [one.id for one in scored]
        columns = {
            "id": pa.array(ids if all(isinstance(id, int) for id in ids) else [str(id) for id in ids]),
            "samples": pa.array([score.samples for score in scores], pa.int64()),
            "update_count": pa.array([len(score.t) for score in scores], pa.int64()),
            "y": self._outputs([score.y[-1:] for score in scores]),
        }
        if self._said.updates:
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
        said, outputs = self._said, _encode(self._said.outputs)
        return {"model": said.model.encode(), "version": said.version.encode(), "outputs": outputs}


class _Counted:
    """A sink that knows how far it is: pyarrow asks and pipes do not know. And no file: numpy would seek in one."""

    closed = False

    def __init__(self, sink: BinaryIO) -> None:
        self._sink, self._written = sink, 0

    def write(self, data: Any) -> int:
        self._sink.write(data)
        size = memoryview(data).nbytes
        self._written += size
        return size

    def tell(self) -> int:
        return self._written

    def flush(self) -> None: ...

    def close(self) -> None:
        """The sink stays open."""


_WRITERS: dict[str, Callable[[BinaryIO, Said], Writer]] = {
    "json": _Json,
    "ndjson": _Ndjson,
    "npy": _Npy,
    "npz": _Npz,
    "csv": _Csv,
    **{kind: partial(_Table, kind=kind) for kind in ("arrow", "arrow_file", "parquet")},
}
