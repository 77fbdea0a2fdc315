"""Python client of a skiprnn server.

    from skiprnn_client import stream

    async for update in stream("ws://localhost:8000/v1/models/watch/stream", samples):
        print(update.t, update.label, update.y)

`stream` and `stream_from` are asynchronous, `stream_sync` and `stream_from_sync` are synchronous. They reconnect, and
yield each update exactly once (see `RetryPolicy`). `connect` and `connect_sync` open a single connection. The protocol
is specified in docs/reference/protocol.md.

The package imports numpy and websockets, nothing else. It is installed as part of the skiprnn distribution
(`skiprnn[client]`), which also brings typer, rich and the source of the other packages.
"""

from typing import TYPE_CHECKING, Any

from skiprnn_client import errors, retry
from skiprnn_client.connection import Connection, connect
from skiprnn_client.deprecated import lookup
from skiprnn_client.errors import (
    BufferFullError,
    ClientError,
    ConnectionFailed,
    ConnectionRejected,
    ProtocolError,
    SampleError,
    ServerError,
    StreamClosed,
    StreamLost,
)
from skiprnn_client.messages import Ended, Event, GoAway, Ready, Reply, Update
from skiprnn_client.retry import Retry, RetryPolicy
from skiprnn_client.samples import MISSED, NEW_SEQUENCE
from skiprnn_client.stream import stream, stream_from
from skiprnn_client.stream_sync import stream_from_sync, stream_sync
from skiprnn_client.sync_connection import SyncConnection, connect_sync

__all__ = [
    "MISSED",
    "NEW_SEQUENCE",
    "BufferFullError",
    "ClientError",
    "Connection",
    "ConnectionFailed",
    "ConnectionRejected",
    "Ended",
    "Event",
    "GoAway",
    "ProtocolError",
    "Ready",
    "Reply",
    "Retry",
    "RetryPolicy",
    "SampleError",
    "ServerError",
    "StreamClosed",
    "StreamLost",
    "SyncConnection",
    "Update",
    "connect",
    "connect_sync",
    "stream",
    "stream_from",
    "stream_from_sync",
    "stream_sync",
]

if TYPE_CHECKING:
    Refused, Unreachable, Unsaved, Resume = errors.Refused, errors.Unreachable, errors.Unsaved, retry.Resume
else:

    def __getattr__(name: str) -> Any:
        return lookup(__name__, name, errors.RENAMED | retry.RENAMED)
