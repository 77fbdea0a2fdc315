"""A snapshot as bytes.

    u16 format, u32 CRC-32 of the rest, both little-endian; then the fields of `_Fields` in their order as one
    MessagePack array, an update being [t, y] and an event [t, label].

Format 3 is that of streams with events: all fields. The others are written in format 2, without the last two, which
servers of the release before read. Format 1 lacks more; fields that are not there take their defaults.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

import msgspec

from skiprnn_service.engine.alarms import Event
from skiprnn_service.engine.stream import Position, Snapshot, Update
from skiprnn_service.errors import SnapshotError

FORMAT = 3
_WITHOUT_EVENTS = 2


class _Fields(NamedTuple):
    """Those of a snapshot and its position, in the order of the bytes."""

    model: str
    version: str
    bundle_sha256: str
    stream_id: str
    threshold: float
    next: int
    skip_remaining: int
    samples: int
    updates: int
    state: bytes
    last_y: bytes | None
    principal: str = ""
    sequence: int = 0
    recent: tuple[Update, ...] = ()
    recent_from: int = 0
    detected: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()


_HEAD = struct.Struct("<HI")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Fields).decode


def dumps(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes."""
    at = snapshot.position
    rest = at[5:] if at.detected else at[5:8]
    fields = (*snapshot[:5], *at[:4], snapshot.state, at.last_y, snapshot.principal, *rest)
    body = _encode(fields)
    return _HEAD.pack(FORMAT if at.detected else _WITHOUT_EVENTS, zlib.crc32(body)) + body


def loads(data: bytes) -> Snapshot:
    """The snapshot of `dumps`.

    Raises:
        SnapshotError: truncated, altered, or of another format.
    """
    if len(data) < _HEAD.size:
        raise SnapshotError(f"snapshot: expected {_HEAD.size} bytes or more, got {len(data)}")
    number, checksum = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if not 1 <= number <= FORMAT:
        raise SnapshotError(
            f"snapshot: expected format 1 to {FORMAT}, got {number}: written by another version"
        )
    if zlib.crc32(body) != checksum:
        raise SnapshotError(f"snapshot: expected checksum {checksum}, got {zlib.crc32(body)}: damaged")
    try:
        fields = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"snapshot: {error}") from error
    if (number == FORMAT) != bool(fields.detected):  # the checksum does not cover the number
        raise SnapshotError(
            f"snapshot: expected events in format {FORMAT} alone, got format {number}: damaged"
        )
    recent = fields.recent, fields.recent_from
    position = Position(*fields[5:9], fields.last_y, fields.sequence, *recent, fields.detected, fields.events)
    return Snapshot(*fields[:5], position, fields.state, fields.principal)


def loads_as(data: bytes, model: str, stream_id: str) -> Snapshot:
    """The snapshot of `dumps`, if it is of this stream; else a SnapshotError."""
    snapshot = loads(data)
    if (snapshot.model, snapshot.stream_id) != (model, stream_id):
        found = f"stream {snapshot.stream_id!r} of model {snapshot.model!r}"
        raise SnapshotError(f"snapshot: expected stream {stream_id!r} of model {model!r}, got {found}")
    return snapshot


def readable(rows: Iterable[tuple[bytes, str, str]]) -> Iterator[Snapshot]:
    """The snapshots of (bytes, model, stream id), without those that `loads_as` rejects."""
    for row in rows:
        with suppress(SnapshotError):
            yield loads_as(*row)
