"""The engine of one model (skeleton: the public signatures)."""

from collections.abc import Callable

from skiprnn_service.errors import SkipRnnServiceError
from skiprnn_service.metrics import EngineStats
from skiprnn_service.session import StepSession
from skiprnn_service.stream import Reply, Snapshot, Stream


class LiveStream(Stream):
    """A stream in an engine: made by `Engine.open`, handed back to its methods."""

    @property
    def pending(self) -> int:
        """Messages submitted and not yet answered: what a route looks at for flow control."""
        raise NotImplementedError


class Engine:
    """All methods are called on the event loop's thread and return at once.

    Args:
        session: the update step; the engine is its only user (scoring uses `session.fork()`).
        model, version: what snapshots say.
        capacity: live streams, at most.
        inline_below_us: a batch predicted to take less runs on the loop, others on the worker thread.
    """

    def __init__(
        self,
        session: StepSession,
        *,
        model: str,
        version: str,
        capacity: int = 10_000,
        inline_below_us: float = 200.0,
    ) -> None:
        self.session, self.model, self.version = session, model, version
        self.stats = EngineStats()
        self.live = 0

    def open(
        self,
        stream_id: str,
        *,
        on_reply: Callable[[Reply], None],
        on_error: Callable[[SkipRnnServiceError], None],
        snapshot: Snapshot | None = None,
        threshold: float | None = None,
    ) -> LiveStream:
        """Start a stream, or go on with a parked one. threshold None: the snapshot's, else the bundle's.

        Raises:
            OverloadError: `capacity` streams are live.
            ThresholdError: threshold outside [0.5, 1].
            SnapshotError: the snapshot is of another model or file.
        """
        raise NotImplementedError

    def submit(self, stream: LiveStream, t: int | None, n: int, payload: bytes, start: int = 0) -> None:
        """A message of n samples: payload[start:] is n·F little-endian float32. Exactly one callback answers it:
        `on_reply`, or `on_error` (ShapeError, GapError, NonFiniteError, InferenceError; the stream is unchanged),
        in the order of submission, perhaps before this returns."""
        raise NotImplementedError

    def reset(self, stream: LiveStream) -> None:
        """Start a new sequence, after everything submitted so far."""
        raise NotImplementedError

    def end(self, stream: LiveStream, on_ended: Callable[[], None]) -> None:
        """After everything submitted so far: free the stream, then call `on_ended`. Its counts stay readable."""
        raise NotImplementedError

    def snapshot(self, stream: LiveStream) -> Snapshot:
        """The stream as it stood after the last message it answered."""
        raise NotImplementedError

    def detach(self, stream: LiveStream) -> Snapshot:
        """Free the stream at once: what is queued or half read is dropped without a callback. Returns `snapshot`."""
        raise NotImplementedError

    def close(self) -> None:
        """Wait for the batch that runs and let go of the worker thread."""
        raise NotImplementedError
