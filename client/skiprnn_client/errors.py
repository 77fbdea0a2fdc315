"""What can go wrong, in one tree.

ClientError
├── SampleError          the caller's: a sample of the wrong shape, or not finite; nothing was sent
├── ConnectionFailed     no websocket server answered at the address
├── ConnectionRejected   the server rejected the connection with an HTTP status, before the stream began
├── ServerError          the server could not process a message; the stream is where it was before the message
├── StreamClosed         the connection ended before the stream did
├── StreamLost           the server no longer has the stream, and the client's buffer does not reach back far enough
├── BufferFullError      the buffer of samples that the server has not saved is full (`when_full="raise"`)
└── ProtocolError        docs/reference/protocol.md does not allow the message: another kind of server, or a newer one
"""

import copyreg
from typing import TYPE_CHECKING, Any

from skiprnn_client.deprecated import lookup

# After these close codes a stream can be resumed by its id: going away, lost without a close frame, internal error,
# restart, try again later, parked because it was idle, parked because the client read too slowly.
RESUMABLE_CODES = frozenset({1001, 1006, 1011, 1012, 1013, 4408, 4410})


class ClientError(Exception):
    """Base of every error that the client raises on purpose. They can be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """The constructors take other arguments than the message: restore the fields instead of calling them."""
        return copyreg.__newobj__, (type(self),), {"args": self.args, **self.__dict__}  # type: ignore[attr-defined]


class SampleError(ClientError, ValueError):
    """Samples that cannot be sent: wrong shape, not numbers, NaN or infinity."""


class ConnectionFailed(ClientError, ConnectionError):  # noqa: N818 - named after what happened, as ConnectionClosed is
    """No server answered at the address, or not with a websocket."""


class ConnectionRejected(ClientError):  # noqa: N818
    """The server rejected the connection.

    Attributes:
        status: HTTP status.
        reason: the server's explanation.
        retry_after_seconds: when to try again; None: the server did not say.
    """

    def __init__(self, status: int, reason: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"rejected with status {status}: {reason}")
        self.status, self.reason = status, reason
        self.retry_after_seconds = retry_after_seconds


class ServerError(ClientError):
    """The server could not process a message. Unless `fatal`, the stream is where it was before the message.

    Attributes:
        code: of the error; docs/reference/protocol.md lists them.
        message: the server's explanation.
        next: index of the sample to send next; None: the server did not say.
        fatal: the connection is over.
    """

    def __init__(self, code: str, message: str, *, next: int | None = None, fatal: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.next, self.fatal = code, message, next, fatal


def missed_rejected(error: ServerError) -> ServerError:
    """The error that answered a message of missed samples: servers of version 0.1 do not know such a message."""
    if error.code != "message" or error.fatal:
        return error
    why = "this server does not take missed samples; it is older than 0.2: update it, or send the last values instead"
    return ServerError(error.code, f"{why} (it says: {error.message})", next=error.next)


class StreamClosed(ClientError, ConnectionError):  # noqa: N818
    """The connection ended.

    Attributes:
        code: websocket close code; 1006: the connection was lost without one.
        reason: the server's explanation; may be empty.
        resumable: a new connection with the same `stream_id` can resume the stream.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code}{reason and ': '}{reason}")
        self.code, self.reason = code, reason
        self.resumable = code in RESUMABLE_CODES


class StreamLost(ClientError):  # noqa: N818
    """The stream cannot be resumed exactly: the server's position is not one that the client's buffer can resume from.

    Attributes:
        sequence, t: updates from this sample on would be missing or repeated.
    """

    def __init__(self, why: str, *, sequence: int, t: int) -> None:
        super().__init__(f"{why}; lost from sample {t} of sequence {sequence} on")
        self.sequence, self.t = sequence, t


class BufferFullError(ClientError):
    """The buffer of samples that the server has not saved yet is full."""


class ProtocolError(ClientError):
    """A message that a skiprnn server does not send."""


RENAMED: dict[str, tuple[str, Any]] = {
    "Refused": ("ConnectionRejected", ConnectionRejected),
    "Unreachable": ("ConnectionFailed", ConnectionFailed),
    "Unsaved": ("BufferFullError", BufferFullError),
}

if TYPE_CHECKING:
    Refused, Unreachable, Unsaved = ConnectionRejected, ConnectionFailed, BufferFullError
else:

    def __getattr__(name: str) -> Any:
        return lookup(__name__, name, RENAMED)
