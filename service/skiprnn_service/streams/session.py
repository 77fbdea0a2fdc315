"""A live stream that somebody owns, and whoever it answers to."""

from typing import Protocol

from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.slot import Slot
from skiprnn_service.engine.stream import Reply
from skiprnn_service.errors import SkipRnnServiceError
from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.stores.base import Key


class Listener(Protocol):
    """Whoever a stream answers to. Called on the loop's thread."""

    def on_reply(self, reply: Reply) -> None: ...
    def on_error(self, error: SkipRnnServiceError) -> None: ...

    def on_saved(self) -> None:
        """`session.saved` moved."""

    def on_go_away(self, seconds: float) -> None:
        """The stream will be parked in so many seconds."""

    def on_lost(self, code: int, reason: str) -> None:
        """The stream is no longer here: say so and close."""


class StreamSession:
    """A live stream and the right to move it. Made by `StreamManager.open`.

    Attributes:
        id: as its client knows it.
        model: the version that it runs on.
        stream: in the model's engine.
        epoch: of this ownership, in the store.
        resumed: it was known and goes on.
        saved: samples before this index are durable.
        quiet: sweeps since the client was last heard; whoever hears it sets 0.
    """

    __slots__ = (
        "epoch",
        "id",
        "key",
        "listener",
        "model",
        "quiet",
        "resumed",
        "saved",
        "stream",
        "written",
    )

    def __init__(
        self, stream_id: str, *, model: LoadedModel, stream: Slot, epoch: int, listener: Listener
    ) -> None:
        self.id, self.model, self.stream = stream_id, model, stream
        self.epoch, self.listener = epoch, listener
        self.key: Key = (model.name, stream.id)
        self.resumed = False
        self.saved = self.quiet = 0
        self.written: tuple[int, int] | None = None  # where the stream stood when it was last saved

    @property
    def engine(self) -> Engine:
        """Where messages go."""
        return self.model.engine

    @property
    def live(self) -> bool:
        """False once the stream was ended, parked or lost."""
        return self.stream.open

    @property
    def principal(self) -> str:
        """Whose it is; "" where nobody has to say who they are."""
        return self.stream.principal

    def reset(self) -> None:
        """Start a new sequence, after everything submitted so far."""
        self.engine.reset(self.stream)
        self.engine.after(self.stream, self._nothing_saved)

    def _nothing_saved(self) -> None:
        self.saved = 0

    @property
    def position(self) -> tuple[int, int]:
        """Which sequence the stream is in and how far."""
        return self.stream.sequence, self.stream.next
