"""Which address to connect to next, and when. Sans-IO: it is told what happened and answers with seconds to wait.

The wait is uniform in [0, min(max_backoff, initial_backoff · 2^round)] ("full jitter"), where a round goes over all
addresses, so that the clients of a server that restarts do not reconnect all at once. It is at least `Retry-After`.
"""

import random
import time
from collections.abc import Callable, Sequence

from skiprnn_client.errors import ClientError, ConnectionFailed, ConnectionRejected, StreamClosed
from skiprnn_client.retry import RetryPolicy

_STOPPING_CODES = frozenset({1001, 1012})  # close codes of a server that stops: try another one first
_OVERLOADED = frozenset({429, 503})  # HTTP statuses
_BAD_GATEWAY = frozenset({500, 502, 504})  # of a proxy whose server is down


class Reconnect:
    """Chooses addresses.

    Args:
        urls: one or several; servers of the same store.
        retry: None: each address is tried once.
        clock: seconds, monotonic.
        uniform: uniform(a, b) → a number in between.

    Attributes:
        attempts: tries that were advised since the server last answered.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        retry: RetryPolicy | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.urls = [urls] if isinstance(urls, str) else list(urls)
        if not self.urls:
            raise ValueError("url: expected at least one address, got none")
        self._retry, self._clock, self._uniform = retry, clock, uniform
        self._at = self._tried = self._rounds = self.attempts = 0
        self._since: float | None = None
        self._retry_after = self._opened_at = 0.0
        self._reached = False

    @property
    def url(self) -> str:
        """The address to try."""
        return self.urls[self._at]

    def opened(self) -> None:
        """A connection is open."""
        self._reached, self._opened_at = True, self._clock()

    def answered(self) -> None:
        """The server has answered on this connection: it works."""
        self._tried = self._rounds = self.attempts = 0
        self._since, self._retry_after = None, 0.0

    def failed(self, error: ClientError) -> float:
        """No connection could be opened. Returns seconds to wait before `url`, now the next address, is tried.

        Raises the error if another try is pointless: the error is permanent, or the retry timeout is over.
        """
        if not self._is_temporary(error):
            raise error
        if isinstance(error, ConnectionRejected):
            self._retry_after = max(self._retry_after, error.retry_after_seconds or 0)
        self.move_on()
        self._tried += 1
        if self._tried < len(self.urls):
            self.attempts += 1
            return 0.0
        if self._retry is None or not (self._reached or isinstance(error, ConnectionRejected)):
            raise error  # no server was ever there: more likely a wrong address than a restart
        return self._wait(error)

    def lost(self, error: StreamClosed) -> float:
        """An open connection was lost; the stream can be resumed. Returns seconds to wait before `url` is tried, which
        is the same server unless it is stopping.

        Raises the error once the retry timeout is over without a connection that answered.
        """
        assert self._retry is not None
        if self._clock() - self._opened_at > self._retry.max_backoff_seconds:
            self.answered()  # it had nothing to answer, and it lasted
        if error.code in _STOPPING_CODES:
            self.move_on()
        self._tried = 0
        return self._wait(error)

    def move_on(self) -> None:
        """Take the next address."""
        self._at = (self._at + 1) % len(self.urls)

    def _is_temporary(self, error: ClientError) -> bool:
        if isinstance(error, ConnectionRejected):
            return error.status in _OVERLOADED or (self._reached and error.status in _BAD_GATEWAY)
        return isinstance(error, ConnectionFailed) or (isinstance(error, StreamClosed) and error.resumable)

    def _wait(self, error: ClientError) -> float:
        assert self._retry is not None
        now = self._clock()
        self._since = now if self._since is None else self._since
        backoff = self._retry.initial_backoff_seconds * 2 ** min(self._rounds, 62)
        limit = min(self._retry.max_backoff_seconds, backoff)
        seconds = max(self._uniform(0, limit), self._retry_after * self._uniform(1, 1.25))
        timeout = self._retry.retry_timeout_seconds
        if timeout is not None and now + seconds - self._since > timeout:
            raise error
        self._tried, self._retry_after = 0, 0.0
        self._rounds += 1
        self.attempts += 1
        return seconds
