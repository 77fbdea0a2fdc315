"""JSON and NDJSON.

    json      {"sequences": [[[F numbers], …], …], "threshold": …}    → {"model", "version", "scores": […]}
    ndjson    {"id": …, "x": [[F numbers], …]} a line                 → a score a line

A score is {"id", "samples", "update_count", "y", "updates": [{"t", "y"}, …]}: y is the output after the last sample.
Each float reads back as the same float32.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import (
    MAX_ID_BYTES,
    Example,
    Input,
    InputSpec,
    OutputSpec,
    Scored,
    Sink,
    encode,
)

_MAX_BLANK_LINES = (
    1000  # in a row: a body may hold 300 million of them, each of which takes a turn of the loop
)


class _Sequences(msgspec.Struct, forbid_unknown_fields=True):
    sequences: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    threshold: float | None = None


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    x: list[list[float]]
    id: (
        Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
        | Annotated[str, msgspec.Meta(max_length=MAX_ID_BYTES)]
        | None
    ) = None


_decode_sequences = msgspec.json.Decoder(_Sequences).decode
_decode_samples = msgspec.json.Decoder(list[list[float]]).decode
_decode_line = msgspec.json.Decoder(_Line).decode
_DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def read_json(file: BinaryIO, spec: InputSpec) -> Input:
    """Decode one sequence after another, so that other threads run in between."""
    try:
        body = _decode_sequences(file.read())
    except _DECODE_ERRORS as error:
        raise MessageError(f'body: expected {{"sequences": [[[F numbers], …], …]}}: {error}') from None

    def examples() -> Iterator[Example]:
        for number, raw in enumerate(body.sequences):
            try:
                rows = _decode_samples(raw)
            except _DECODE_ERRORS as error:
                raise MessageError(f"sequence {number}: expected [[F numbers], …]: {error}") from None
            yield Example(number, _samples(rows, spec, f"sequence {number}"))

    return Input(examples(), body.threshold)


def read_ndjson(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """A line a sequence; blank lines between them are skipped."""
    number = blank = 0
    while line := file.readline(spec.max_bytes + 1):
        if len(line) > spec.max_bytes:
            raise TooLargeError(f"line {number + 1}: expected {spec.max_bytes} bytes at most")
        blank = blank + 1 if line.isspace() else 0
        if blank > _MAX_BLANK_LINES:
            raise MessageError(f"line {number + 1}: expected {_MAX_BLANK_LINES} blank lines in a row at most")
        if blank:
            continue
        try:
            fields = _decode_line(line)
        except _DECODE_ERRORS as error:
            raise MessageError(
                f'line {number + 1}: expected {{"id": …, "x": [[F numbers], …]}}: {error}'
            ) from None
        x = _samples(fields.x, spec, f"line {number + 1}")
        yield Example(number if fields.id is None else fields.id, x)
        number += 1


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
        self._sink, self._updates = sink, spec.updates
        self._before = encode({"model": spec.model, "version": spec.version})[:-1] + b',"scores":['

    def write(self, scored: Sequence[Scored]) -> None:
        for one in scored:
            self._sink.write(self._before + _fields(one, self._updates))
            self._before = b","

    def close(self) -> None:
        self._sink.write(b"]}")


class NdjsonWriter:
    """An object a line."""

    def __init__(self, sink: Sink, spec: OutputSpec) -> None:
        self._sink, self._updates = sink, spec.updates

    def write(self, scored: Sequence[Scored]) -> None:
        for one in scored:
            self._sink.write(_fields(one, self._updates) + b"\n")

    def close(self) -> None: ...


def _fields(scored: Scored, updates: bool) -> bytes:
    id, (samples, t, y, _) = scored
    fields: dict[str, Any] = {"id": id, "samples": samples, "update_count": len(t), "y": y[-1].tolist()}
    if updates:
        fields["updates"] = [{"t": t, "y": y} for t, y in zip(t.tolist(), y.tolist(), strict=True)]
    return encode(fields)
