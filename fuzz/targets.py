"""What is fuzzed. A target takes bytes; it may raise nothing but what its reader documents.

Where two readings of the same bytes must agree, the target compares them.
"""

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import bodies
from skiprnn_client import ClientError as ClientLibraryError
from skiprnn_client import Ready
from skiprnn_client.messages import decode_answer, decode_ready
from skiprnn_export import BundleError, Feature, parse
from skiprnn_service.errors import ClientError, SnapshotError
from skiprnn_service.scoring.formats import registry
from skiprnn_service.scoring.formats.base import MAX_ID_BYTES, InputSpec
from skiprnn_service.server.websocket_protocol import StreamProtocol
from skiprnn_service.stores import snapshot as snapshot_format
from skiprnn_service.websocket import messages

FEATURES, OUTPUTS = 3, 2
READY = Ready(stream_id="s", model="m", version="1", features=FEATURES, outputs=OUTPUTS)
_BUNDLES = Path(__file__).parents[1] / "service" / "skiprnn_service" / "bundles"
_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def text_message(data: bytes) -> None:
    """A text frame of a client; what is understood means what the standard library's JSON means."""
    try:
        data.decode()  # else the connection is closed with 1007 before anybody reads it
    except UnicodeDecodeError:
        return
    try:
        message = messages.decode_text(data, FEATURES)
    except ClientError:
        return
    fields = json.loads(data)
    if isinstance(message, str):
        assert fields["type"] == message
        return
    if isinstance(message, messages.Missed):
        assert message == (fields.get("t"), fields["missed"])
        return
    _, n, payload, start = message
    with np.errstate(over="ignore"):
        expected = np.asarray(fields["x"], np.float64).astype("<f4").reshape(n, FEATURES)
    assert payload[start:] == expected.tobytes()


def binary_message(data: bytes) -> None:
    """A binary frame of a client."""
    try:
        _, n, payload, start = messages.decode_binary(data, 4 * FEATURES)
    except ClientError:
        return
    assert len(payload) - start == n * 4 * FEATURES


def answer(data: bytes) -> None:
    """What a client makes of a server's frame, binary or text."""
    for frame in (data, data.decode("latin-1")):
        for read in (decode_ready, lambda frame: decode_answer(frame, READY)):
            try:
                read(frame)
            except ClientLibraryError:
                continue


def bundle(data: bytes) -> None:
    """A model file, and the shipped one with these bytes over a part of it."""
    whole = bytearray((_BUNDLES / "watch.onnx").read_bytes())
    at = int.from_bytes(data[:4], "little") % len(whole)
    whole[at : at + len(data) - 4] = data[4:]
    for file in (data, bytes(whole)):
        try:
            parse(file, source="fuzz")
        except BundleError:
            continue


def snapshot(data: bytes) -> None:
    """A record of a store, and one whose checksum is right."""
    import struct
    import zlib

    sealed = struct.pack("<HI", snapshot_format.FORMAT, zlib.crc32(data)) + data
    for record in (data, sealed):
        try:
            read = snapshot_format.loads(record)
        except SnapshotError:
            continue
        assert snapshot_format.loads(snapshot_format.dumps(read)) == read


class _Wire:
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        self.closing = False

    def write(self, data: bytes) -> None:
        del data

    def writelines(self, data: list[bytes]) -> None:
        del data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def pause_reading(self) -> None:
        """There is no client to pause."""

    resume_reading = set_protocol = pause_reading


def _take(payload: bytes, is_text: bool) -> None:
    if is_text:
        payload.decode()


async def _frames(data: bytes) -> None:
    import uvicorn
    from starlette.websockets import WebSocket
    from uvicorn.server import ServerState

    from skiprnn_service.websocket.transport import transport_of

    async def route(scope: Any, receive: Any, send: Any) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await transport_of(websocket).run(_take)

    config = uvicorn.Config(route, ws=StreamProtocol, ws_max_size=4096, log_level="critical", lifespan="off")
    config.load()
    connection = StreamProtocol(config, ServerState(), {})
    connection.connection_made(_Wire())  # type: ignore[arg-type]
    connection.data_received(_UPGRADE)
    for _ in range(5):
        await asyncio.sleep(0)
    step = 1 + (data[0] if data else 0)
    for start in range(1, len(data), step):
        if not connection.transport.is_closing():
            connection.data_received(data[start : start + step])
        await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.gather(*connection.tasks, return_exceptions=False)


_loop = asyncio.new_event_loop()


def frames(data: bytes) -> None:
    """The byte stream of a websocket, cut into segments: what a route is given as text is UTF-8."""
    problems: list[dict[str, Any]] = []
    _loop.set_exception_handler(lambda _, context: problems.append(context))
    _loop.run_until_complete(_frames(data))
    assert not problems, problems


_SPEC = InputSpec(tuple(Feature(f"x{i}") for i in range(FEATURES)), max_bytes=1 << 20)


def _score(format_name: str) -> Callable[[bytes], None]:
    def body(data: bytes) -> None:
        """The body of a scoring request: every sequence of it is whole samples, and none too large."""
        try:
            for example in registry.read(format_name, io.BytesIO(data), _SPEC).examples:
                assert example.x.dtype == np.float32
                assert example.x.shape[1] == FEATURES
                assert 0 < example.x.nbytes <= _SPEC.max_bytes
                assert len(str(example.id).encode()) <= MAX_ID_BYTES
        except (ClientError, MemoryError):
            return

    return body


# A few damaged Parquet files end the process that reads them, whatever is done here: see bodies.py.
SCORE = {f"score_{name}": _score(name) for name in registry.FORMATS if name != "parquet"}
TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (text_message, binary_message, answer, bundle, snapshot, frames)
} | SCORE
SEEDS: dict[str, list[bytes]] = {name: bodies.seeds()[name.removeprefix("score_")] for name in SCORE} | {
    "text_message": [
        b'{"x": [1, 2.5, -3e8], "t": 7}',
        b'{"missed": 3, "t": 7}',
        b'{"x": [[1, 2, 3], [4, 5, 6]]}',
        b'{"type": "end"}',
    ],
    "binary_message": [bytes(8 + 12), bytes(8 + 24)],
    "answer": [
        b'{"t": 3, "wake": 5, "updates": [{"t": 1, "y": [0.5, 0.5]}], "saved": 0}',
        b'{"type": "error", "code": "gap", "message": "m", "fatal": false, "next": 3}',
        b'{"type": "ready", "stream_id": "s", "model": "m", "version": "1", "features": 3, "outputs": 2}',
        bytes(32),
    ],
    "bundle": [b"\0\0\0\0" + b"\x08\x0a", b"\x80\x3e\0\0skiprnn"],
    "snapshot": [b"\x9f" + b"\xa1m" * 15],
    "frames": [
        b"\x09\x82\x83\0\0\0\0abc\x81\x83\0\0\0\0abc",
        b"\x63\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x80\x81\0\0\0\0b\x88\x82\0\0\0\0\x03\xe8",
        b"\x05\x82\xfe\0\x80\0\0\0\0" + bytes(128),
    ],
}
