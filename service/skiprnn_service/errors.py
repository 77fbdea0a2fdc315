"""Errors of the service. A class says whose fault it is and carries what the shell needs to answer.

    SkipRnnServiceError
    ├── ClientError              the request was wrong; sending it again will not help
    │   ├── MessageError           a message that is not one of the protocol's
    │   ├── ShapeError             a payload that is not whole samples
    │   ├── NonFiniteError         NaN or infinity in a sample of an update, or in the state that it would lead to
    │   ├── GapError               samples are missing
    │   ├── ThresholdError         a threshold outside [0.5, 1]
    │   ├── SnapshotError          a parked stream that cannot go on here
    │   ├── SequenceError          a request out of its sequence's order (Open Inference Protocol)
    │   ├── TooLargeError          a body, or an answer, beyond a limit
    │   ├── RequestTimeoutError    a body that is sent too slowly
    │   ├── ContentTypeError       a body in a format that is not supported
    │   ├── AcceptError            no supported format of the answer is accepted
    │   ├── AuthenticationError    no valid credentials
    │   ├── ForbiddenError         the principal may not do this
    │   ├── QuotaError             the principal has reached a quota
    │   ├── UnknownModelError      no such model, or no such version of it
    │   ├── UnknownRecordingError  a model without a recording
    │   ├── UnknownPathError       no such websocket
    │   ├── UpgradeRequiredError   a plain request where a websocket handshake is expected
    │   └── HostError              a Host that is not a name of the server
    ├── OverloadError            the server is full or draining; retry after `retry_after_seconds`
    │   └── DiskFullError          no space for large sequences and scores
    ├── ModelError               the operator's: a model file that cannot be served, or a missing provider
    └── ServerError              ours
        ├── StoreError             the store of parked streams is down, too slow or full
        ├── InferenceError         the update step raised
        └── StreamStateError       an event that is not legal in a stream's state

Every class carries `code` (the word in error messages on the wire) and `status` (HTTP). None of these errors changes a
stream. The message of an error that is not the client's may name paths and hosts: then clients that are no admins get
`public_message` in its place.
"""


class SkipRnnServiceError(Exception):
    """Base of all errors of the service."""

    code = "internal"
    status = 500
    public_message: str | None = None  # None: the message itself

    @property
    def headers(self) -> dict[str, str]:
        """Of the HTTP response."""
        retry_after = getattr(self, "retry_after_seconds", None)
        return {} if retry_after is None else {"Retry-After": str(retry_after)}


class ClientError(SkipRnnServiceError):
    """The request was wrong."""

    code = "bad_request"
    status = 400


class MessageError(ClientError):
    """A message that is not JSON, or not one of those in docs/reference/protocol.md."""

    code = "message"


class ShapeError(ClientError):
    """A payload whose size is not that of the samples it should hold."""

    code = "shape"


class NonFiniteError(ClientError):
    """A sample of an update holds NaN or infinity, or is so large that the network's state would."""

    code = "non_finite"


class GapError(ClientError):
    """The first sample of a message lies past the next update: samples in between were lost.

    Attributes:
        next: index of the next sample not yet consumed: send from here on.
        wake: index of the next update: the latest index that would have been accepted.
    """

    code = "gap"

    def __init__(self, t: int, *, next: int, wake: int) -> None:
        super().__init__(f"t: expected at most {wake} (the next update), got {t}; send from {next} on")
        self.t, self.next, self.wake = t, next, wake


class ThresholdError(ClientError):
    """A stream asked for a threshold outside [0.5, 1]."""

    code = "threshold"


class SnapshotError(ClientError):
    """A parked stream that cannot go on: other model, other file of it, or damaged."""

    code = "snapshot"
    status = 409


class SequenceError(ClientError):
    """A request of a sequence that was not started, or started twice (Open Inference Protocol)."""

    code = "sequence"


class TooLargeError(ClientError):
    """A request's body, or the answer to it, is larger than a limit; the message names the setting."""

    code = "too_large"
    status = 413


class RequestTimeoutError(ClientError):
    """A large body whose client sends too slowly: it would hold its place in a queue."""

    code = "timeout"
    status = 408


class ContentTypeError(ClientError):
    """A body whose Content-Type or Content-Encoding is not supported."""

    code = "content_type"
    status = 415


class AcceptError(ClientError):
    """`Accept` allows no format of the answer that is supported."""

    code = "accept"
    status = 406


class AuthenticationError(ClientError):
    """No credentials, or none that are valid. The message never repeats what was sent."""

    code = "unauthenticated"
    status = 401

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 section 11.6.1."""
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(ClientError):
    """The principal may not do this, or the request is from a page of another origin."""

    code = "forbidden"
    status = 403


class QuotaError(ClientError):
    """The principal has reached a quota; the same request may succeed later."""

    code = "quota"
    status = 429

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnknownModelError(ClientError):
    """No model of this name and version is served."""

    code = "unknown_model"
    status = 404


class UnknownRecordingError(ClientError):
    """The model has no recording beside its bundle."""

    code = "not_found"
    status = 404


class HostError(ClientError):
    """The request is for a host that this server is not (RFC 9110 section 15.5.20)."""

    code = "host"
    status = 421


class UnknownPathError(ClientError):
    """No websocket has this path."""

    code = "not_found"
    status = 404


class UpgradeRequiredError(ClientError):
    """A plain request to a websocket."""

    code = "upgrade_required"
    status = 426

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 section 15.5.22."""
        return {"Upgrade": "websocket", "Connection": "Upgrade"}


class OverloadError(SkipRnnServiceError):
    """The server is full or draining. Nothing changed; the same request may succeed later."""

    code = "overloaded"
    status = 503

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DiskFullError(OverloadError):
    """The disk has no space for a large request or its answer."""

    public_message: str = "the server has no space for more sequences and scores"


class ModelError(SkipRnnServiceError):
    """A model file that cannot be served; the message says why."""

    code = "model"
    status = 503
    public_message: str = "the model's file cannot be served; the log of the server says why"


class ServerError(SkipRnnServiceError):
    """An error of the server; its log has details."""

    public_message: str = "the server failed; its log says why"


class InferenceError(ServerError):
    """The update step raised. The message that needed it was rolled back and may be sent again."""

    code = "inference"
    public_message: str = "the update step failed; the log of the server says why"


class StoreError(ServerError):
    """The store failed, or did not answer in time. Live streams go on; they are not saved meanwhile."""

    code = "store"
    status = 503
    public_message: str = "the store of parked streams failed; the log of the server says why"


class StreamStateError(ServerError):
    """An event that is not legal in the stream's state: a bug in the caller."""

    def __init__(self, event: str, state: str) -> None:
        super().__init__(f"stream: {event!r} is not legal while {state!r}")
        self.event, self.state = event, state
