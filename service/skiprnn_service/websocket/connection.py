"""One client's websocket and the stream behind it.

A connection hands messages to the engine and replies to the transport, both by plain calls. It adds the order (one
reply a message, errors in their turn) and the messages at the beginning and the end. `flow_control.py` limits what
waits.
"""

import asyncio
from dataclasses import asdict
from typing import Any

from skiprnn_service.engine.stream import RECENT_UPDATES, Reply
from skiprnn_service.errors import ClientError, MessageError, SkipRnnServiceError
from skiprnn_service.settings import Settings
from skiprnn_service.streams.manager import IDLE, OWNED_ELSEWHERE, StreamManager
from skiprnn_service.streams.session import StreamSession
from skiprnn_service.websocket import messages
from skiprnn_service.websocket.flow_control import FlowControl
from skiprnn_service.websocket.transport import Transport

SLOW_CLIENT = 4410  # close code; 4408 and 4409 are those of streams/manager.py
ACKNOWLEDGE_SECONDS = 1.0  # with emit=updates or events, the longest time without an answer to a message

_LOST = {IDLE: "idle", OWNED_ELSEWHERE: "owned_elsewhere"}


class StreamConnection:
    """One client on a transport. It listens to its stream (`streams.Listener`).

    Args:
        emit: which messages are answered: all; those with an update; those with an event, and then of their updates
            the ones that gave it alone. Of the others the latest is answered once a second.

    Attributes:
        over: no message is sent or taken: before `start`, and from `stop` on.
    """

    __slots__ = (
        "_codec",
        "_emit",
        "_engine",
        "_features",
        "_flow",
        "_held_back",
        "_lost",
        "_max_samples",
        "_notified",
        "_sample_bytes",
        "_session",
        "_settings",
        "_silent",
        "_stream",
        "_streams",
        "_transport",
        "over",
    )
    _transport: Transport
    _session: StreamSession
    _codec: messages.Codec
    _flow: FlowControl

    def __init__(self, settings: Settings, streams: StreamManager, *, emit: messages.Emit) -> None:
        self._settings, self._streams, self._emit = settings, streams, emit
        self._lost: tuple[int, str] | None = None
        self._held_back: Reply | None = None  # the latest that `emit` left unanswered
        self._silent = True  # no reply since the store was last written
        self._notified = 0  # `saved` as last sent; −1: a sequence has begun since
        self.over = True

    def start(self, transport: Transport, session: StreamSession, codec: messages.Codec) -> None:
        """The handshake is done: send `ready`."""
        self._transport, self._session, self._codec, self.over = transport, session, codec, False
        self._stream, self._engine = session.slot, session.engine
        info = session.model.bundle.info
        self._features, self._sample_bytes = info.input_size, 4 * info.input_size
        self._max_samples = self._settings.max_samples
        self._flow = FlowControl(transport, self._settings, on_slow=self._on_slow)
        if self._emit == "all":
            self._stream.on_skipped = self._on_skipped
        self._notified = session.saved
        transport.send(_ready(session, self._settings, durable=self._streams.store.durable))
        if self._lost is not None:  # during the handshake
            self._close(*self._lost)

    def stop(self) -> None:
        """The connection is over."""
        if not self.over:
            self.over = True
            self._flow.stop()

    # -- what comes

    def on_message(self, payload: bytes, is_text: bool) -> None:
        """Take a message. It is answered exactly once, in its turn; control messages are not."""
        if self.over or not self._stream.open:  # parked: the close frame with the reason follows
            return
        self._session.idle_sweeps = 0
        try:
            if is_text:
                message = messages.decode_text(payload, self._features)
                if isinstance(message, str | messages.Missed):
                    self._control(message)
                    self._count(payload)
                    return
            else:
                message = messages.decode_binary(payload, self._sample_bytes)
        except ClientError as error:
            self._engine.reject(self._stream, error)
            self._count(payload)
            return
        self._submit(message)

    def _submit(self, message: messages.Samples) -> None:
        t, n, payload, start = message
        if n > self._max_samples:
            error = MessageError(f"expected {self._max_samples} samples at most, got {n}")
            self._engine.reject(self._stream, error)
            self._count(payload)
            return
        self._engine.submit(self._stream, t, n, payload, start)
        if self._stream.payload is not None or self._stream.waiting:
            self._flow.queued(len(payload), self._stream.pending)

    def _count(self, payload: bytes) -> None:
        """A message without samples waits too if one before it does."""
        if self._stream.pending:
            self._flow.queued(len(payload), self._stream.pending)

    def _control(self, control: messages.Control | messages.Missed) -> None:
        if isinstance(control, messages.Missed):
            self._engine.miss(self._stream, *control)
        elif control == "end":
            self._engine.end(self._stream, self._on_ended)
        elif control == "reset":
            self._session.reset()
            self._engine.after(self._stream, self._on_reset)

    # -- what goes (streams.Listener)

    def on_reply(self, reply: Reply) -> None:
        """A message was taken."""
        if self._emit == "events":
            reply = _only_events(reply)
        if self._emit == "all" or reply.updates:
            self._send_reply(reply)
        else:
            self._hold_back(reply)
        if self._flow.waiting and not self._stream.pending:
            self._flow.all_answered()

    def _on_skipped(self) -> None:
        """`on_reply` for most messages, without an object for it."""
        stream, self._silent = self._stream, False
        self._notified = saved = self._session.saved
        self._transport.send(self._codec.skipped(stream.next - 1, stream.wake, saved))
        if self._flow.waiting and not stream.pending:
            self._flow.all_answered()

    def on_error(self, error: SkipRnnServiceError) -> None:
        """A message was rejected; the stream is where it was."""
        self._transport.send(messages.error(error, fatal=False, next=self._stream.next))
        if self._flow.waiting and not self._stream.pending:
            self._flow.all_answered()

    def on_saved(self) -> None:
        """Send `saved` if no reply carries it soon: the client may be waiting for it."""
        if self.over:
            return
        sequence = self._stream.sequence
        if self._silent:
            self._send_saved(sequence)
        else:  # its latest reply is older than this round
            asyncio.get_running_loop().call_later(ACKNOWLEDGE_SECONDS, self._send_saved, sequence)
        self._silent = True

    def _send_saved(self, sequence: int) -> None:
        """Unless a reset came meanwhile: it is not saved."""
        if not self.over and self._stream.sequence == sequence and self._notified != self._session.saved:
            self._notified = saved = self._session.saved
            self._transport.send(messages.control_message("saved", saved=saved, sequence=sequence))

    def on_go_away(self, seconds: float) -> None:
        """The server is about to stop."""
        if not self.over:
            self._transport.send(messages.control_message("go_away", time_left_ms=round(seconds * 1000)))

    def on_lost(self, code: int, reason: str) -> None:
        """The stream is no longer here."""
        self._lost = code, reason
        self._close(code, reason)

    def _on_reset(self) -> None:
        self._notified = -1
        if self._flow.waiting and not self._stream.pending:
            self._flow.all_answered()

    def _on_ended(self) -> None:
        self._streams.ended(self._session)
        for name in ("ended", "closed"):  # the second for clients of version 0.1
            self._transport.send(
                messages.control_message(name, samples=self._stream.samples, updates=self._stream.updates)
            )
        self.stop()
        self._transport.close(1000)

    def _send_reply(self, reply: Reply) -> None:
        self._held_back, self._silent = None, False
        self._notified = saved = self._session.saved
        self._transport.send(self._codec.reply(reply, saved))

    def _hold_back(self, reply: Reply) -> None:
        if self._held_back is None:
            asyncio.get_running_loop().call_later(ACKNOWLEDGE_SECONDS, self._acknowledge)
        self._held_back = reply

    def _acknowledge(self) -> None:
        if self._held_back is not None and not self.over:
            self._send_reply(self._held_back)

    def _close(self, code: int, reason: str) -> None:
        if self.over:
            return
        self.stop()
        if code in _LOST:
            fields = {"code": _LOST[code], "message": reason, "fatal": True, "next": self._stream.next}
            self._transport.send(messages.control_message("error", **fields))
        self._transport.close(code, reason)

    def _on_slow(self) -> None:
        self.stop()
        self._transport.close(SLOW_CLIENT, "replies were not read")
        self._transport.abort()


def _only_events(reply: Reply) -> Reply:
    given = {event.t for event in reply.events}
    return reply._replace(updates=[update for update in reply.updates if update.t in given])


def _ready(session: StreamSession, settings: Settings, *, durable: bool) -> str:
    info, stream = session.model.bundle.info, session.slot
    codec = messages.JsonCodec(info.outputs, info.classes)
    return messages.control_message(
        "ready",
        stream_id=session.id,
        model=session.model.name,
        version=session.model.version,
        features=info.input_size,
        outputs=info.outputs,
        classes=info.classes,
        targets=[{"name": target.name, "unit": target.unit} for target in info.targets],
        multi_label=info.multi_label,
        events=info.events and asdict(info.events),
        channels=[{"name": feature.name, "unit": feature.unit} for feature in info.features],
        task=info.task,
        sample_rate=info.sample_rate,
        threshold=stream.threshold,
        resumed=session.resumed,
        sequence=stream.sequence,
        next=stream.next,
        wake=stream.wake,
        saved=session.saved,
        updates=codec.updates(stream.recent, stream.events),
        updates_from=stream.recent_from,
        limits=_limits(settings, durable=durable),
    )


def _limits(settings: Settings, *, durable: bool) -> dict[str, Any]:
    names = (
        "max_message_bytes",
        "max_samples",
        "max_pending_messages",
        "idle_timeout_seconds",
        "stream_ttl_seconds",
    )
    own = {name: getattr(settings, name) for name in names}
    return own | {"replay_updates": RECENT_UPDATES, "durable": durable}
