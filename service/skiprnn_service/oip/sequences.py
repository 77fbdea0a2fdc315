"""Live sequences over HTTP requests: streams on the engine and in the store of the websocket, one chunk a request.

    START ──→ live ─ next request ──→ live ─ END ──→ gone
                   └ no request for idle_timeout_seconds → parked ─ next request ──→ live
                                                                  └ stream_ttl_seconds → gone
    a request without START of an unknown sequence → "must specify the START flag"

The id of a sequence is the id of its stream: a stream that a websocket parked can go on as a sequence, and the other
way round. No connection ends when a client dies, so a sequence without requests is parked after a time.
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
from skiprnn_service.oip.outputs import InferResult
from skiprnn_service.settings import Settings
from skiprnn_service.streams.manager import RESTART, StreamManager
from skiprnn_service.streams.session import StreamSession

NO_START = (  # the end in Triton's words: clients look for them
    "inference request for sequence {id} to model {model!r} "
    "must specify the START flag on the first request of the sequence"
)


class SequenceRequest(NamedTuple):
    """One request of a sequence.

    Attributes:
        model, version, principal, threshold: as `StreamManager.open` takes them.
        id: of the sequence.
        start, end: whether it is the first, the last.
        restart: with `start`: start anew even if the sequence is in progress.
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
    """The live sequences of this process."""

    def __init__(self, streams: StreamManager, settings: Settings) -> None:
        self._streams, self._settings = streams, settings
        self._live: dict[tuple[str, str, str], _Sequence] = {}
        self._locks = WeakValueDictionary[tuple[str, str, str], asyncio.Lock]()

    def __len__(self) -> int:
        return len(self._live)

    async def infer(
        self, request: SequenceRequest, x: NDArray[np.float32] | None
    ) -> tuple[StreamSession, InferResult]:
        """Take the next chunk of a sequence. A request that is rejected changes nothing.

        Args:
            x: [1, F], [1, n, F], or None with `request.end`.

        Raises:
            SequenceError: not started; or started and in progress.
            SnapshotError: it is parked and cannot go on here; or another connection took it over meanwhile.
            ShapeError, MessageError, NonFiniteError: of x.
            OverloadError: too many requests of it wait; or what `StreamManager.open` raises.
        """
        async with self._locks.setdefault(request.key, asyncio.Lock()):
            sequence = self._live.get(request.key)
            if sequence is None or not sequence.session.live:
                sequence = await self._open(request)
            try:
                answer = self._submit(sequence, request, x)
            except SkipRnnServiceError:
                self._undo_open(request, sequence)
                raise
        try:
            result = await answer
        except SkipRnnServiceError:
            self._undo_open(request, sequence)
            raise
        if request.end and sequence.session.live:
            self._end(sequence)
        return sequence.session, result

    async def _open(self, request: SequenceRequest) -> "_Sequence":
        sequence = _Sequence()
        session = sequence.session = await self._streams.open(
            request.model,
            sequence,
            stream_id=request.id,
            version=request.version,
            threshold=request.threshold,
            principal=request.principal,
        )
        if not request.start and not session.resumed:
            self._end(sequence)
            raise SequenceError(NO_START.format(id=request.id, model=request.model))
        sequence.y = session.slot.last_y
        sequence.may_restart = session.resumed
        self._live[request.key] = sequence
        sequence.forget = lambda: self._forget(request.key, sequence)
        return sequence

    def _submit(
        self, sequence: "_Sequence", request: SequenceRequest, x: NDArray[np.float32] | None
    ) -> asyncio.Future[InferResult]:
        """Check everything, then change something."""
        session = sequence.session
        if request.version not in (None, session.model.version):
            raise SnapshotError(
                f"the sequence runs on version {session.model.version}, not on {request.version!r}"
            )
        chunk = None if x is None else self._chunk(sequence, x)
        if chunk is None and (not request.end or request.start):
            raise ShapeError("inputs: expected x, got none")
        if request.start:
            self._restart(request, sequence)
        sequence.may_restart = False
        return sequence.last() if chunk is None else sequence.submit(chunk)

    def _restart(self, request: SequenceRequest, sequence: "_Sequence") -> None:
        stream = sequence.session.slot
        if not stream.next and not stream.pending:  # it has just been opened
            return
        if not request.restart and not sequence.may_restart:
            at = f"sequence {request.id} of model {request.model!r} is in progress at sample {stream.next}"
            raise SequenceError(
                f"{at}: end it with sequence_end, or start it anew with the parameter restart"
            )
        sequence.session.reset()
        sequence.session.engine.after(stream, sequence.start_anew)

    def _undo_open(self, request: SequenceRequest, sequence: "_Sequence") -> None:
        """A sequence whose first request is rejected does not exist."""
        stream = sequence.session.slot
        if request.start and sequence.session.live and not stream.next and not stream.pending:
            self._end(sequence)

    def _end(self, sequence: "_Sequence") -> None:
        session = sequence.session
        sequence.forget()
        session.engine.end(session.slot, lambda: self._streams.ended(session))

    def _forget(self, key: tuple[str, str, str], sequence: "_Sequence") -> None:
        if self._live.get(key) is sequence:
            del self._live[key]

    def _chunk(self, sequence: "_Sequence", x: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, F]."""
        F, limits = sequence.features, self._settings
        chunk = x.reshape(x.shape[-2:]) if x.ndim == 3 and x.shape[0] == 1 else x
        if chunk.ndim != 2 or chunk.shape[1] != F or not len(chunk) or (x.ndim == 2 and len(x) != 1):
            raise ShapeError(f"x: expected [1, {F}] or [1, n, {F}] of a sequence, got shape {list(x.shape)}")
        if len(chunk) > limits.max_samples:
            raise MessageError(f"x: expected {limits.max_samples} samples at most, got {len(chunk)}")
        if sequence.session.slot.pending >= limits.max_pending_messages:
            raise OverloadError(f"sequence: {limits.max_pending_messages} requests of it wait already")
        return chunk


class _Sequence:
    """A stream whose results are awaited one by one (`session.Listener`).

    Attributes:
        y: K little-endian float32, the output that holds; None before the first.
        may_restart: it was parked and has had no request since: START starts it anew.
        forget: called when the stream is no longer here.
    """

    session: StreamSession

    def __init__(self) -> None:
        self.y: bytes | None = None
        self.may_restart = False
        self.forget: Any = lambda: None
        self._waiting = deque[tuple[int, asyncio.Future[InferResult]]]()
        self._last: list[asyncio.Future[InferResult]] = []

    @property
    def features(self) -> int:
        """F."""
        return self.session.model.bundle.info.input_size

    def submit(self, chunk: NDArray[np.float32]) -> asyncio.Future[InferResult]:
        """Hand samples [n, F] to the engine; the future is their result."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((len(chunk), answer))
        self.session.idle_sweeps = 0
        payload = chunk.astype("<f4", copy=False).tobytes()
        self.session.engine.submit(self.session.slot, None, len(chunk), payload)
        return answer

    def last(self) -> asyncio.Future[InferResult]:
        """The result that holds when everything submitted so far has been answered."""
        answer, stream = asyncio.get_running_loop().create_future(), self.session.slot

        def set_result() -> None:
            if not answer.done():
                answer.set_result(self._result(0, Reply(stream.next - 1, stream.wake, ())))

        self._last.append(answer)
        self.session.engine.after(stream, set_result)
        return answer

    def start_anew(self) -> None:
        self.y = None

    def on_reply(self, reply: Reply) -> None:
        steps, answer = self._waiting.popleft()
        result = self._result(steps, reply)
        self.y = self.session.slot.last_y
        if not answer.done():  # the client may have gone
            answer.set_result(result)

    def _result(self, steps: int, reply: Reply) -> InferResult:
        K = self.session.model.bundle.info.outputs
        return InferResult(
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
        """There is no connection to tell."""

    def on_go_away(self, seconds: float) -> None:
        """There is no connection to tell; the next request is rejected."""

    def on_lost(self, code: int, reason: str) -> None:
        """The stream is no longer here: the requests that wait for it fail."""
        self.forget()
        answers = [*(answer for _, answer in self._waiting), *self._last]
        self._waiting.clear()
        for answer in answers:
            if not answer.done():
                answer.set_exception(OverloadError(reason) if code == RESTART else SnapshotError(reason))
