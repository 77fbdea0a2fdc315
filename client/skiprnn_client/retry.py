"""How a stream continues after a lost connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from skiprnn_client.deprecated import warn_renamed

WhenFull = Literal["wait", "drop", "raise"]


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How a stream continues after a lost connection.

    Attributes:
        max_samples, max_bytes: limits of the buffer of samples that the server has not saved.
        when_full: "wait" takes no more samples until the server has saved some; "drop" discards the oldest: if the
            server later resumes from before them, StreamLost is raised; "raise" raises BufferFullError.
        initial_backoff_seconds, max_backoff_seconds: the wait before a new connection doubles from the first to the
            second, with full jitter.
        retry_timeout_seconds: after so long without a connection that answers, the last error is raised; None: never.
    """

    max_samples: int = 65_536
    max_bytes: int = 16_777_216
    when_full: WhenFull = "wait"
    initial_backoff_seconds: float = 0.25
    max_backoff_seconds: float = 15.0
    retry_timeout_seconds: float | None = 300.0

    def __post_init__(self) -> None:
        if self.max_samples < 1 or self.max_bytes < 1:
            raise ValueError(f"max_samples, max_bytes: expected at least 1, got {self}")
        if self.when_full not in ("wait", "drop", "raise"):
            raise ValueError(f"when_full: expected 'wait', 'drop' or 'raise', got {self.when_full!r}")


class Retry(NamedTuple):
    """Another try to connect that is about to be made.

    Attributes:
        attempt: its number since the server last answered, from 1 on.
        seconds: until it is made.
        reason: why the connection was lost, or could not be opened.
    """

    attempt: int
    seconds: float
    reason: str


OnRetry = Callable[[Retry], None]

DEFAULT_RETRY = RetryPolicy()  # this object: the caller gave no other

RENAMED_FIELDS = {
    "first_seconds": "initial_backoff_seconds",
    "cap_seconds": "max_backoff_seconds",
    "give_up_seconds": "retry_timeout_seconds",
}


class Resume(RetryPolicy):
    """Deprecated: `RetryPolicy` with the field names of the release before."""

    def __init__(self, **options: Any) -> None:
        renamed = {RENAMED_FIELDS[name]: options.pop(name) for name in RENAMED_FIELDS.keys() & options}
        super().__init__(**renamed | options)

    def __getattr__(self, name: str) -> float | None:
        if name not in RENAMED_FIELDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        warn_renamed(name, RENAMED_FIELDS[name], stacklevel=3)
        value: float | None = getattr(self, RENAMED_FIELDS[name])
        return value


RENAMED: dict[str, tuple[str, Any]] = {"Resume": ("RetryPolicy", Resume)}
