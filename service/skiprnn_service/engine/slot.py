"""A stream in an engine: the message in progress, and what waits behind it."""

from collections import deque
from collections.abc import Callable

from skiprnn_export import SkipTable
from skiprnn_service.engine.alarms import AlarmRule
from skiprnn_service.engine.stream import Position, Reply, Stream
from skiprnn_service.errors import SkipRnnServiceError

OnReply = Callable[[Reply], None]
OnError = Callable[[SkipRnnServiceError], None]
Message = tuple[
    int | None, int, bytes | memoryview, int
]  # t, n, payload, start: arguments of `Engine.submit`


class Slot(Stream):
    """A stream in an engine: made by `Engine.open`, passed to its methods. Only the engine writes here, except for
    `on_skipped`.

    Attributes:
        principal: whose stream it is.
        open: False once it ended or was detached.
        row: of the arena, with the state after the last message that was answered.
        ahead: the row with the state within the message in progress, from its first update on; else None.
        threshold, table: of the gate; table is None where it is the engine's own.
        payload, start, offset: the message in progress (None: none), where its samples begin in bytes, and the
            sample that is due.
        waiting: what was submitted behind it, in order: messages, and other actions.
        on_skipped: called in place of `on_reply` for a message without an update; such a reply is all in `next` and
            `wake`, and most replies are. None: `on_reply` gets them too.
        due_at: perf_counter when the sample became due.
    """

    __slots__ = (
        "ahead",
        "due_at",
        "offset",
        "on_error",
        "on_reply",
        "on_skipped",
        "open",
        "payload",
        "principal",
        "row",
        "start",
        "table",
        "threshold",
        "waiting",
    )

    def __init__(
        self,
        stream_id: str,
        position: Position,
        *,
        row: int,
        threshold: float,
        table: SkipTable | None,
        on_reply: OnReply,
        on_error: OnError,
        principal: str = "",
        alarms: AlarmRule | None = None,
    ) -> None:
        super().__init__(stream_id, position, alarms=alarms)
        self.principal = principal
        self.row, self.threshold, self.table = row, threshold, table
        self.ahead: int | None = None
        self.on_reply, self.on_error = on_reply, on_error
        self.open = True
        self.payload: bytes | memoryview | None = None
        self.start = self.offset = 0
        self.due_at = 0.0
        self.waiting: deque[Message | Callable[[], None]] | None = None
        self.on_skipped: Callable[[], None] | None = None

    @property
    def pending(self) -> int:
        """Messages and actions that are not done yet."""
        return (self.payload is not None) + len(self.waiting or ())
