"""When the server stops reading from a connection, and when it gives one up.

Reading stops while too many messages, or too many bytes of them, wait for their answer, and while more than
`write_high_water_bytes` wait to be sent; TCP then slows the client down. A client is given up if more than half of that
still waits after `slow_client_timeout_seconds`. All frames count: replies, errors, control messages, pongs.
"""

import asyncio
from collections.abc import Callable

from skiprnn_service.settings import Settings
from skiprnn_service.websocket.transport import Transport


class FlowControl:
    """Of one connection.

    Args:
        on_slow: called when the client is given up.

    Attributes:
        waiting: messages were queued since none waited for its answer.
    """

    __slots__ = (
        "_on_slow",
        "_paused",
        "_queue_full",
        "_queued_bytes",
        "_settings",
        "_timer",
        "_transport",
        "_unsent",
        "waiting",
    )

    def __init__(self, transport: Transport, settings: Settings, *, on_slow: Callable[[], None]) -> None:
        self._transport, self._settings, self._on_slow = transport, settings, on_slow
        self._queued_bytes = 0
        self.waiting = self._queue_full = self._unsent = self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        transport.limit(settings.write_high_water_bytes, self._on_full)

    def queued(self, size: int, pending: int) -> None:
        """A message of `size` bytes waits for its answer, as one of `pending`."""
        self.waiting = True
        self._queued_bytes += size
        limits = self._settings
        if pending >= limits.max_pending_messages or self._queued_bytes > limits.max_queued_bytes:
            self._queue_full = True
            self._update()

    def all_answered(self) -> None:
        """No message waits for its answer any more."""
        self._queued_bytes = 0
        self.waiting = self._queue_full = False
        self._update()

    def stop(self) -> None:
        """The connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_full(self, full: bool) -> None:
        self.stop()
        self._unsent = full
        if full:
            seconds = self._settings.slow_client_timeout_seconds
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_slow)
        self._update()

    def _update(self) -> None:
        paused = self._queue_full or self._unsent
        if paused == self._paused:
            return
        self._paused = paused
        if paused:
            self._transport.pause()
        else:
            self._transport.resume()
