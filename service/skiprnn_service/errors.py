"""What can go wrong in the service. A class says whose fault it is and carries what the shell needs to answer.

    SkipRnnServiceError
    ├── ClientError              the request was wrong; sending it again will not help
    │   ├── MessageError           a message that is not one of the protocol's
    │   ├── ShapeError             a payload that is not whole samples
    │   ├── NonFiniteError         NaN or infinity in a sample that would be read, or in what came out of it
    │   ├── GapError               samples are missing
    │   ├── ThresholdError         a threshold outside [0.5, 1]
    │   ├── SnapshotError          a parked stream that cannot go on here
    │   ├── SequenceError          a request out of its sequence's order (Open Inference Protocol)
    │   ├── TooLargeError          a body, or an answer, beyond a limit
    │   ├── RequestTimeoutError    a body that comes too slowly
    │   ├── ContentTypeError       a body of a kind that is not read here
    │   ├── AcceptError            an answer of a kind that is not written here
    │   ├── AuthenticationError    nothing valid that says who asks
    │   ├── ForbiddenError         whoever asks may not do this
    │   ├── QuotaError             whoever asks has too much already
    │   └── UnknownModelError      no such model, or no such version of it
    ├── OverloadError            nobody's fault: the server is full; come again after `retry_after_seconds`
    ├── ModelError               the operator's: a model file that cannot be served, or a missing provider
    └── ServerError              ours
        ├── StoreError             the store of parked streams is down, too slow or full
        ├── InferenceError         the update step raised
        └── StreamStateError       an event that a stream does not take in its state

Every class carries `code` (the word in error messages on the wire) and `status` (HTTP). None of these errors changes a
stream.
"""


class SkipRnnServiceError(Exception):
    """Base of everything that the service raises on purpose."""

    code = "internal"
    status = 500

    @property
    def headers(self) -> dict[str, str]:
        """Of the HTTP response that says so."""
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
    """A payload that does not hold the samples it was said to hold."""

    code = "shape"


class NonFiniteError(ClientError):
    """A sample that was read holds NaN or infinity, or is so large that the network's state would."""

    code = "non_finite"


class GapError(ClientError):
    """The first sample of a message lies past the next one to be read: samples in between were lost.

    Attributes:
        next: index of the next sample not yet consumed: send from here on.
        wake: index of the next sample that will be read: the latest index that would have been accepted.
    """

    code = "gap"

    def __init__(self, t: int, *, next: int, wake: int) -> None:
        super().__init__(
            f"t: expected at most {wake} (the next sample to read), got {t}; send from {next} on"
        )
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
    """A request's body, or what it would be answered with, is larger than a limit; the message names the setting."""

    code = "too_large"
    status = 413


class RequestTimeoutError(ClientError):
    """A body that comes so slowly that it keeps others from being scored."""

    code = "request_timeout"
    status = 408


class ContentTypeError(ClientError):
    """A body whose Content-Type or Content-Encoding is not read here."""

    code = "content_type"
    status = 415


class AcceptError(ClientError):
    """No kind of answer that `Accept` allows is written here."""

    code = "accept"
    status = 406


class AuthenticationError(ClientError):
    """Nothing that says who asks, or nothing valid. The message never repeats what was sent."""

    code = "unauthenticated"
    status = 401

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 section 11.6.1."""
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(ClientError):
    """Whoever asks may not do this, or a page of a foreign origin asks."""

    code = "forbidden"
    status = 403


class QuotaError(ClientError):
    """Whoever asks has as much as they may; the same request may succeed later."""

    code = "quota"
    status = 429

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnknownModelError(ClientError):
    """No model of this name and version is served."""

    code = "unknown_model"
    status = 404


class OverloadError(SkipRnnServiceError):
    """The server is full. Nothing was taken; the same request may succeed later."""

    code = "overloaded"
    status = 503

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ModelError(SkipRnnServiceError):
    """A model that is in the folder but cannot be served; the message says why."""

    code = "model"
    status = 503


class ServerError(SkipRnnServiceError):
    """Our fault; the log knows more."""


class InferenceError(ServerError):
    """The update step raised. The message that needed it was rolled back and may be sent again."""

    code = "inference"


class StoreError(ServerError):
    """The store did not do what it was asked, or did not say so in time. Streams go on; nothing is saved meanwhile."""

    code = "store"
    status = 503


class StreamStateError(ServerError):
    """A stream was told something that it does not take now: a bug in what drives it."""

    def __init__(self, event: str, state: str) -> None:
        super().__init__(f"stream: {event!r} is not legal while {state!r}")
        self.event, self.state = event, state
