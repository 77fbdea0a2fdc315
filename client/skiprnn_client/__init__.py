"""Python client of a skiprnn server. Needs numpy and websockets, nothing else.

    from skiprnn_client import stream

    async for update in stream("ws://localhost:8000/v1/models/watch/stream", samples):
        print(update.t, update.label, update.y)

`stream` and `stream_from` are asynchronous, `stream_sync` and `stream_from_sync` are not. They outlive their
connections: each update comes exactly once (see `Resume`). `connect` and `connect_sync` give a single connection. What
travels is written in docs/reference/protocol.md.
"""

from skiprnn_client.connection import Connection, connect
from skiprnn_client.dialer import Resume
from skiprnn_client.errors import (
    ClientError,
    ProtocolError,
    Refused,
    SampleError,
    ServerError,
    StreamClosed,
    StreamLost,
    Unreachable,
    Unsaved,
)
from skiprnn_client.messages import Ended, GoAway, Ready, Reply, Update
from skiprnn_client.samples import NEW_SEQUENCE
from skiprnn_client.stream import stream, stream_from
from skiprnn_client.stream_sync import stream_from_sync, stream_sync
from skiprnn_client.sync_connection import SyncConnection, connect_sync

__all__ = [
    "NEW_SEQUENCE",
    "ClientError",
    "Connection",
    "Ended",
    "GoAway",
    "ProtocolError",
    "Ready",
    "Refused",
    "Reply",
    "Resume",
    "SampleError",
    "ServerError",
    "StreamClosed",
    "StreamLost",
    "SyncConnection",
    "Unreachable",
    "Unsaved",
    "Update",
    "connect",
    "connect_sync",
    "stream",
    "stream_from",
    "stream_from_sync",
    "stream_sync",
]
