"""What can go wrong, in one tree.

ClientError
├── SampleError       yours: a sample of the wrong shape, or not finite; nothing was sent
├── Unreachable       no server answered at the address
├── Refused           the server said no before the stream began (an HTTP status)
├── ServerError       the server could not take a message; the stream stands where it stood
├── StreamClosed      the connection ended before the stream did
├── StreamLost        the server does not know the stream any more, and what is kept here does not reach back far enough
├── Unsaved           too much is kept that the server has not saved (`when_full="raise"`)
└── ProtocolError     what came is not what docs/reference/protocol.md promises: another kind of server, or a newer one
"""

# Of these a stream can go on under its id: going away, lost without a close frame, internal error, restart, try later,
# parked because it was idle, parked because replies were not read.
RESUMABLE_CODES = frozenset({1001, 1006, 1011, 1012, 1013, 4408, 4410})


class ClientError(Exception):
    """Base of everything that the client raises on purpose."""


class SampleError(ClientError, ValueError):
    """Samples that cannot be sent: wrong shape, not numbers, NaN or infinity."""


class Unreachable(ClientError, ConnectionError):  # noqa: N818 - it names what happened, as ConnectionClosed does
    """Nobody answered at the address, or not with a websocket."""


class Refused(ClientError):  # noqa: N818
    """The server refused the connection.

    Attributes:
        status: HTTP status.
        reason: in the server's words.
        retry_after_seconds: when to come again, if the server said so.
    """

    def __init__(self, status: int, reason: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"refused with {status}: {reason}")
        self.status, self.reason = status, reason
        self.retry_after_seconds = retry_after_seconds


class ServerError(ClientError):
    """The server could not take a message. Unless `fatal`, the stream stands where it stood before the message.

    Attributes:
        code: the server's word for it; docs/reference/protocol.md lists them.
        message: the server's explanation.
        next: index of the sample to send from, where the server said it.
        fatal: the connection is over.
    """

    def __init__(self, code: str, message: str, *, next: int | None = None, fatal: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.next, self.fatal = code, message, next, fatal


class StreamClosed(ClientError, ConnectionError):  # noqa: N818
    """The connection ended.

    Attributes:
        code: websocket close code; 1006: the connection was lost without one.
        reason: in the server's words; may be empty.
        resumable: connecting again with the same `stream_id` can go on with the stream.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code}{reason and ': '}{reason}")
        self.code, self.reason = code, reason
        self.resumable = code in RESUMABLE_CODES


class StreamLost(ClientError):  # noqa: N818
    """The stream cannot go on exactly: the server is at another place than what is kept here reaches back to.

    Attributes:
        sequence, t: from this sample on updates would be missing or doubled.
    """

    def __init__(self, why: str, *, sequence: int, t: int) -> None:
        super().__init__(f"{why}; lost from sample {t} of sequence {sequence} on")
        self.sequence, self.t = sequence, t


class Unsaved(ClientError):  # noqa: N818
    """As many samples as may be kept wait for the server to save them."""


class ProtocolError(ClientError):
    """A message that a skiprnn server does not send."""
