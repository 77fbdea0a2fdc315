"""A live stream, its ownership, and the listener that it answers to."""

from typing import Protocol

from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.slot import Slot
from skiprnn_service.engine.stream import Reply
from skiprnn_service.errors import SkipRnnServiceError
from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.stores.base import Key


class Listener(Protocol):
    """What a stream answers to. Called on the loop's thread."""

    def on_reply(self, reply: Reply) -> None: ...
    def on_error(self, error: SkipRnnServiceError) -> None: ...

    def on_saved(self) -> None:
        """`session.saved` moved."""

    def on_go_away(self, seconds: float) -> None:
        """The stream will be parked in so many seconds."""

    def on_lost(self, code: int, reason: str) -> None:
        """The stream is no longer here: close the connection with this code."""


class StreamSession:
    """A live stream and its ownership. Made by `StreamManager.open`.

    Attributes:
        id: as its client knows it.
        model: the version that it runs on.
        slot: the stream in the model's engine.
        epoch: of this ownership, in the store; 0: its id was never claimed there.
        principal: whose stream it is; "" without authentication.
        resumed: it was known and goes on.
        saved: samples before this index are durable.
        idle_sweeps: sweeps since the latest message of the client, which sets it to 0.
        written: `progress` as the store last had it; None: to be written in any case.
    """

    __slots__ = (
        "epoch",
        "id",
        "idle_sweeps",
        "key",
        "listener",
        "model",
        "principal",
        "resumed",
        "saved",
        "slot",
        "written",
    )

    def __init__(
        self, *, model: LoadedModel, slot: Slot, epoch: int, listener: Listener, principal: str
    ) -> None:
        self.model, self.slot, self.epoch = model, slot, epoch
        self.listener, self.principal = listener, principal
        self.key: Key = (model.name, slot.id)
        self.id = slot.id.rpartition("/")[2]  # the key has the principal before it
        self.resumed = False
        self.saved = self.idle_sweeps = 0
        self.written: tuple[int, int] | None = None

    @property
    def engine(self) -> Engine:
        """Where messages go."""
        return self.model.engine

    @property
    def live(self) -> bool:
        """False once the stream was ended, parked or lost."""
        return self.slot.open

    def reset(self) -> None:
        """Start a new sequence, after everything submitted so far."""
        self.engine.reset(self.slot)
        self.engine.after(self.slot, self._nothing_saved)

    def _nothing_saved(self) -> None:
        self.saved = 0

    @property
    def progress(self) -> tuple[int, int]:
        """The number of the sequence, and its next sample."""
        return self.slot.sequence, self.slot.next
