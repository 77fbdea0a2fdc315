"""Which address to try next, and when. Sans-IO: it is told what happened and answers with seconds to wait.

Waiting grows from one round over all addresses to the next: uniform in [0, min(cap, first · 2^round)] ("full jitter"),
so that the clients of a server that restarts do not come back all at once; at least what `Retry-After` said.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from skiprnn_client.errors import ClientError, Refused, StreamClosed, Unreachable

WhenFull = Literal["wait", "drop", "raise"]

_MOVED = frozenset({1001, 1012})  # close codes of a server that stops: the others are better
_CROWDED = frozenset({429, 503})
_BROKEN = frozenset({500, 502, 504})  # what a proxy says whose server is down


@dataclass(frozen=True, kw_only=True)
class Resume:
    """How a stream outlives its connections.

    Attributes:
        max_samples, max_bytes: of samples that are kept because the server has not saved them.
        when_full: "wait" takes no more samples until the server has saved some; "drop" lets go of the oldest: should
            the server fall back behind them, StreamLost is raised; "raise" raises Unsaved.
        first_seconds, cap_seconds: the wait before connecting again: jittered, doubling from the one to the other.
        give_up_seconds: after so long without a connection that answers, the last error is raised; None: never.
    """

    max_samples: int = 65_536
    max_bytes: int = 16_777_216
    when_full: WhenFull = "wait"
    first_seconds: float = 0.25
    cap_seconds: float = 15.0
    give_up_seconds: float | None = 300.0

    def __post_init__(self) -> None:
        if self.max_samples < 1 or self.max_bytes < 1:
            raise ValueError(f"max_samples, max_bytes: expected at least 1, got {self}")
        if self.when_full not in ("wait", "drop", "raise"):
            raise ValueError(f"when_full: expected 'wait', 'drop' or 'raise', got {self.when_full!r}")


class Dialer:
    """Chooses addresses.

    Args:
        urls: one or several; they are servers of the same store.
        resume: None: each address is tried once.
        clock: seconds, monotonic.
        uniform: uniform(a, b) → a number in between.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        resume: Resume | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.urls = [urls] if isinstance(urls, str) else list(urls)
        if not self.urls:
            raise ValueError("url: expected one at least")
        self._resume, self._clock, self._uniform = resume, clock, uniform
        self._at = self._tried = self._rounds = 0
        self._since: float | None = None
        self._retry_after = self._opened_at = 0.0
        self._reached = False

    @property
    def url(self) -> str:
        """The address to try."""
        return self.urls[self._at]

    def opened(self) -> None:
        """Somebody is there."""
        self._reached, self._opened_at = True, self._clock()

    def heard(self) -> None:
        """The connection works: it has answered."""
        self._tried = self._rounds = 0
        self._since, self._retry_after = None, 0.0

    def failed(self, error: ClientError) -> float:
        """This address did not let us in. Seconds to wait before `url`, now the next one, is tried.

        Raises the error if it is of no use to go on: it will not get better, or it has lasted for too long.
        """
        if not self._may_pass(error):
            raise error
        if isinstance(error, Refused):
            self._retry_after = max(self._retry_after, error.retry_after_seconds or 0)
        self.move_on()
        self._tried += 1
        if self._tried < len(self.urls):
            return 0.0
        if self._resume is None or not (self._reached or isinstance(error, Refused)):
            raise error  # nobody has ever been there: more likely a wrong address than a server that restarts
        return self._wait(error)

    def lost(self, error: StreamClosed) -> float:
        """An open connection broke, and can be resumed. Seconds to wait before `url` is tried: where it broke first.

        Raises the error once connections have broken without answering for too long.
        """
        assert self._resume is not None
        if self._clock() - self._opened_at > self._resume.cap_seconds:
            self.heard()  # there was nothing to answer, and it has held
        if error.code in _MOVED:
            self.move_on()
        self._tried = 0
        return self._wait(error)

    def move_on(self) -> None:
        """Take the next address."""
        self._at = (self._at + 1) % len(self.urls)

    def _may_pass(self, error: ClientError) -> bool:
        if isinstance(error, Refused):
            return error.status in _CROWDED or (self._reached and error.status in _BROKEN)
        return isinstance(error, Unreachable) or (isinstance(error, StreamClosed) and error.resumable)

    def _wait(self, error: ClientError) -> float:
        assert self._resume is not None
        now = self._clock()
        self._since = now if self._since is None else self._since
        limit = min(self._resume.cap_seconds, self._resume.first_seconds * 2 ** min(self._rounds, 62))
        seconds = max(self._uniform(0, limit), self._retry_after * self._uniform(1, 1.25))
        patience = self._resume.give_up_seconds
        if patience is not None and now + seconds - self._since > patience:
            raise error
        self._tried, self._retry_after = 0, 0.0
        self._rounds += 1
        return seconds
