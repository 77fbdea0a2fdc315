"""A snapshot as bytes, and bytes that are refused.

    u16 format (2), u32 CRC-32 of the rest, both little-endian; then the fields of `Snapshot` in their order as one
    MessagePack array, an update being [t, y].

Format 1 is the same with fewer fields; those that it lacks take their defaults.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.errors import SnapshotError

FORMAT = 2

_HEAD = struct.Struct("<HI")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Snapshot).decode


def dumps(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes."""
    body = _encode(snapshot)
    return _HEAD.pack(FORMAT, zlib.crc32(body)) + body


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
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotError(f"snapshot: {error}") from error


def loads_as(data: bytes, model: str, stream_id: str) -> Snapshot:
    """The snapshot of `dumps`, if it is of this stream; else a SnapshotError."""
    snapshot = loads(data)
    if (snapshot.model, snapshot.stream_id) != (model, stream_id):
        found = f"stream {snapshot.stream_id!r} of model {snapshot.model!r}"
        raise SnapshotError(f"snapshot: expected stream {stream_id!r} of model {model!r}, got {found}")
    return snapshot


def readable(rows: Iterable[tuple[bytes, str, str]]) -> Iterator[Snapshot]:
    """The snapshots among (bytes, model, stream id) that `loads_as` does not refuse."""
    for row in rows:
        with suppress(SnapshotError):
            yield loads_as(*row)
