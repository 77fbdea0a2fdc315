"""Live sequences over HTTP requests: streams on the engine and in the store of the websocket, one piece a request.

    START ──→ live ─ next request ──→ live ─ END ──→ gone
                   └ nothing for idle_timeout_seconds → parked ─ next request ──→ live
                                                               └ stream_ttl_seconds → gone
    a request without START that nobody knows → "must specify the START flag"

A sequence's id is its stream's id: what one of the two ways parked, the other takes up. There is no connection whose
end could tell that a client has died, so its sequence is parked when nothing was heard of it for a while.
"""

import asyncio
from collections import deque
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from skiprnn_service.engine.stream import Reply
from skiprnn_service.errors import (
    MessageError,
    OverloadError,
    SequenceError,
    ShapeError,
    SkipRnnServiceError,
    SnapshotError,
)
from skiprnn_service.oip.outputs import Reading
from skiprnn_service.settings import Settings
from skiprnn_service.streams.manager import RESTART, StreamManager
from skiprnn_service.streams.session import StreamSession

NO_START = (  # the end in Triton's words: clients look for them
    "inference request for sequence {id} to model {model!r} "
    "must specify the START flag on the first request of the sequence"
)


class Ask(NamedTuple):
    """One request of a sequence.

    Attributes:
        model, version, principal, threshold: as `StreamManager.open` takes them.
        id: of the sequence.
        start, end: whether it is the first, the last.
        restart: with `start`: begin anew even if the sequence is in progress.
    """

    model: str
    version: str | None
    principal: str
    id: str
    start: bool = False
    end: bool = False
    restart: bool = False
    threshold: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.principal, self.model, self.id


class Sequences:
    """The live ones among the sequences of this process."""

    def __init__(self, streams: StreamManager, settings: Settings) -> None:
        self._streams, self._settings = streams, settings
        self._live: dict[tuple[str, str, str], _Sequence] = {}
        self._locks = WeakValueDictionary[tuple[str, str, str], asyncio.Lock]()

    def __len__(self) -> int:
        return len(self._live)

    async def infer(self, ask: Ask, x: NDArray[np.float32] | None) -> tuple[StreamSession, Reading]:
        """Read a piece of a sequence.

        Args:
            x: [1, F], [1, n, F], or None with `ask.end`.

        Raises:
            SequenceError: not started; or started and in progress.
            SnapshotError: it is parked and cannot go on here; or somebody else took it over meanwhile.
            ShapeError, MessageError, NonFiniteError: of x. The sequence is where it was.
            OverloadError: too many requests of it wait; or what `StreamManager.open` raises.
        """
        async with self._locks.setdefault(ask.key, asyncio.Lock()):
            sequence = await self._find(ask)
            piece = None if x is None else self._piece(sequence, x)
            if piece is None and not ask.end:
                raise ShapeError("inputs: expected x, got none")
            answer = sequence.standing() if piece is None else sequence.submit(piece)
        reading = await answer
        if ask.end and sequence.session.live:
            session = sequence.session
            self._live.pop(ask.key, None)
            session.engine.end(session.stream, lambda: self._streams.ended(session))
        return sequence.session, reading

    async def _find(self, ask: Ask) -> "_Sequence":
        """The sequence, live."""
        sequence = self._live.get(ask.key)
        if sequence is None or not sequence.session.live:
            return await self._open(ask)
        if ask.start:
            self._restart(ask, sequence)
        session = sequence.session
        if ask.version not in (None, session.model.version):
            raise SnapshotError(
                f"the sequence runs on version {session.model.version}, not on {ask.version!r}"
            )
        return sequence

    async def _open(self, ask: Ask) -> "_Sequence":
        sequence = _Sequence()
        session = sequence.session = await self._streams.open(
            ask.model,
            sequence,
            stream_id=ask.id,
            version=ask.version,
            threshold=ask.threshold,
            principal=ask.principal,
        )
        if not ask.start and not session.resumed:
            session.engine.end(session.stream, lambda: self._streams.ended(session))
            raise SequenceError(NO_START.format(id=ask.id, model=ask.model))
        if ask.start and session.resumed:
            session.reset()
        sequence.y = session.stream.last_y
        self._live[ask.key] = sequence
        sequence.forget = lambda: self._forget(ask.key, sequence)
        return sequence

    def _restart(self, ask: Ask, sequence: "_Sequence") -> None:
        stream = sequence.session.stream
        if not ask.restart and (stream.next or stream.pending):  # else nothing would be lost
            at = f"sequence {ask.id} of model {ask.model!r} is in progress at sample {stream.next}"
            raise SequenceError(
                f"{at}: end it with sequence_end, or start it anew with the parameter restart"
            )
        sequence.session.reset()
        sequence.session.engine.after(stream, sequence.start_anew)

    def _forget(self, key: tuple[str, str, str], sequence: "_Sequence") -> None:
        if self._live.get(key) is sequence:
            del self._live[key]

    def _piece(self, sequence: "_Sequence", x: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, F]; checked before anything changes."""
        F, limits = sequence.features, self._settings
        piece = x.reshape(x.shape[-2:]) if x.ndim == 3 and x.shape[0] == 1 else x
        if piece.ndim != 2 or piece.shape[1] != F or not len(piece) or (x.ndim == 2 and len(x) != 1):
            raise ShapeError(f"x: expected [1, {F}] or [1, n, {F}] of a sequence, got shape {list(x.shape)}")
        if len(piece) > limits.max_samples:
            raise MessageError(f"x: expected {limits.max_samples} samples at most, got {len(piece)}")
        if sequence.session.stream.pending >= limits.max_pending_messages:
            raise OverloadError(f"sequence: {limits.max_pending_messages} requests of it wait already")
        return piece


class _Sequence:
    """A stream whose answers are awaited one by one (`streams.Listener`).

    Attributes:
        y: K little-endian float32, the output that holds; None before the first.
        forget: called when the stream is no longer here.
    """

    session: StreamSession

    def __init__(self) -> None:
        self.y: bytes | None = None
        self.forget: Any = lambda: None
        self._waiting = deque[tuple[int, asyncio.Future[Reading]]]()
        self._standing: list[asyncio.Future[Reading]] = []

    @property
    def features(self) -> int:
        """F."""
        return self.session.model.bundle.info.input_size

    def submit(self, piece: NDArray[np.float32]) -> asyncio.Future[Reading]:
        """Hand samples [n, F] to the engine; the future is what it read of them."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((len(piece), answer))
        self.session.quiet = 0
        payload = piece.astype("<f4", copy=False).tobytes()
        self.session.engine.submit(self.session.stream, None, len(piece), payload)
        return answer

    def standing(self) -> asyncio.Future[Reading]:
        """Where the sequence is when everything submitted so far has been answered."""
        answer, stream = asyncio.get_running_loop().create_future(), self.session.stream

        def stand() -> None:
            if not answer.done():
                answer.set_result(self._reading(0, Reply(stream.next - 1, stream.wake, ())))

        self._standing.append(answer)
        self.session.engine.after(stream, stand)
        return answer

    def start_anew(self) -> None:
        self.y = None

    def on_reply(self, reply: Reply) -> None:
        steps, answer = self._waiting.popleft()
        reading = self._reading(steps, reply)
        self.y = self.session.stream.last_y
        if not answer.done():  # the client may have gone
            answer.set_result(reading)

    def _reading(self, steps: int, reply: Reply) -> Reading:
        K = self.session.model.bundle.info.outputs
        return Reading(
            first=reply.t + 1 - steps,
            steps=steps,
            t=[np.array([update.t for update in reply.updates], np.int64)],
            y=[np.frombuffer(b"".join(update.y for update in reply.updates), "<f4").reshape(-1, K)],
            before=None if self.y is None else np.frombuffer(self.y, "<f4"),
            wake=np.array([reply.wake], np.int64),
        )

    def on_error(self, error: SkipRnnServiceError) -> None:
        _, answer = self._waiting.popleft()
        if not answer.done():
            answer.set_exception(error)

    def on_saved(self) -> None:
        """Nobody to tell: there is no connection."""

    def on_go_away(self, seconds: float) -> None:
        """Nobody to tell: the next request is refused."""

    def on_lost(self, code: int, reason: str) -> None:
        """The stream is no longer here: whoever waits for it is told."""
        self.forget()
        answers = [*(answer for _, answer in self._waiting), *self._standing]
        self._waiting.clear()
        for answer in answers:
            if not answer.done():
                answer.set_exception(OverloadError(reason) if code == RESTART else SnapshotError(reason))
