"""How many streams a principal may have, and how fast they may open them."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from skiprnn_service.errors import QuotaError

_MOST_REMEMBERED = 10_000  # principals whose rate is known; the one seen longest ago is forgotten


class Quotas:
    """Counts live streams and openings. Without authentication nothing is counted.

    Args:
        max_streams: live at once, of one principal.
        max_opens_per_minute: of one principal; a token bucket of that size, so a burst of them is allowed.
        clock: seconds, monotonic.
    """

    def __init__(
        self, *, max_streams: int, max_opens_per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_streams, self._max_opens = max_streams, max_opens_per_minute
        self._clock = clock
        self._live = Counter[str]()
        self._buckets = OrderedDict[str, tuple[float, float]]()  # openings left, and when that was

    def admit(self, principal: str, *, replaces: bool = False) -> None:
        """Count an opening and a live stream: `closed` takes the stream back, also where it was never opened.

        Args:
            replaces: it takes the place of a live stream, which will be closed.

        Raises:
            QuotaError: there are too many, live or in the last minute. Nothing was counted.
        """
        if not principal:
            return
        if self._live[principal] - replaces >= self._max_streams:
            raise QuotaError(f"{principal!r} has {self._max_streams} live streams", retry_after_seconds=5)
        left = self._refilled(principal)
        if left < 1:
            wait = int(60 / self._max_opens) + 1
            reason = f"{principal!r} may open {self._max_opens} streams a minute"
            raise QuotaError(reason, retry_after_seconds=wait)
        self._buckets[principal] = (left - 1, self._clock())
        self._live[principal] += 1

    def closed(self, principal: str) -> None:
        """A stream of theirs is not live any more."""
        if principal:
            self._live[principal] -= 1
            if not self._live[principal]:
                del self._live[principal]

    def _refilled(self, principal: str) -> float:
        now = self._clock()
        left, seen = self._buckets.pop(principal, (float(self._max_opens), now))
        if len(self._buckets) >= _MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        left = min(left + (now - seen) * self._max_opens / 60, self._max_opens)
        self._buckets[principal] = (left, now)
        return left
