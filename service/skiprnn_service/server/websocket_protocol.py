"""The websocket protocol class under the streaming route: `uvicorn.Config(ws=StreamProtocol)`.

uvicorn's own class queues every message for a task. This one, its subclass, frames the byte stream itself and calls
back with every plain data frame (whole, unfragmented, uncompressed, masked) of a connection whose route runs the
`Transport` that it offers. Every other frame goes whole to the base class, so handshake, control frames, fragments,
compression, keepalive, close codes and denial responses are uvicorn's; so is all of a route that awaits `receive`.

    bytes → data_received → _feed ─ plain ──→ on_message
                                  └ others ─→ uvicorn ─ a whole message ─→ on_message

It uses internals of uvicorn: pyproject.toml pins the minor version, and a test fails when one of them changes. As in
uvicorn, a length may be written in more bytes than it needs (RFC 6455 section 5.2 forbids it to senders).
"""

from asyncio import AbstractEventLoop, Event, Future, Queue
from typing import Any, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.speedups import apply_mask

from skiprnn_service.websocket.transport import EXTENSION, OnFull, OnMessage

_TEXT, _BINARY = 0x81, 0x82  # first byte of a frame: final, no extension, opcode
_MASKED = 0x80  # in its second byte, above the length
_HEADERS = {first: [bytes((first, size)) for size in range(126)] for first in (_TEXT, _BINARY)}
_OPCODES = frozenset((0, 1, 2, 8, 9, 10))
_NEVER = 1 << 63  # the size of a frame that is not waited for: uvicorn rejects it by its header
_FRAMES_A_TURN = 256  # then the other connections have theirs, however small the frames and full the buffer
_CORKED_BYTES = 65_536  # collected at most before they are written, so that a full buffer is noticed in time
_LONGEST_REASON = 123  # bytes: what a close frame has room for beside its code (section 5.5.1)
_MAX_FRAGMENTS = 4096  # of a message, of which a hostile one may be empty; a mebibyte in parts of 256 bytes
_MAX_PONG_BYTES = 65_536  # that wait to be sent; beyond it pings are not answered: their sender does not read


class AsgiProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own class, with limits on what costs a client nothing."""

    __slots__ = ()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < _MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.send_close(1009, f"message: expected {_MAX_FRAGMENTS} fragments at most")
            self.handle_parser_exception()

    def handle_ping(self) -> None:
        pong = b"".join(self.conn.data_to_send())
        if self.transport.get_write_buffer_size() < _MAX_PONG_BYTES:
            self.transport.write(pong)

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._cut_off()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._cut_off()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._cut_off()

    def _cut_off(self) -> None:
        """`close` alone waits for a client that reads nothing."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.loop.call_later(self.close_timeout, self.transport.abort)


class StreamProtocol(AsgiProtocol):
    """One connection; uvicorn makes it when a request asks for an upgrade."""

    __slots__ = (  # what stands here does not make the instance's dictionary twice as large
        "_deliver",
        "_held",
        "_held_size",
        "_longest",
        "_needed",
        "_on_full",
        "_on_message",
        "_out",
        "_paused",
        "_raised",
        "_relay",
        "_scheduled",
        "_short",
    )
    _out: "WireTransport"

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.queue = cast("Queue[ASGIReceiveEvent]", _Mailbox(self.loop))
        self._longest, self._short = config.ws_max_size, min(config.ws_max_size, 125)
        self._relay = True  # uvicorn takes the bytes: first the upgrade request
        self._on_message: OnMessage | None = None  # of the route, while it runs a Transport
        self._deliver: OnMessage | None = None  # the same, where a plain data frame may go straight to it
        self._paused = True  # until `run`, and from `pause` to `resume`
        self._scheduled = False  # `_go_on` will be called
        self._held: list[bytes] = []  # not fed yet
        self._held_size = self._needed = 0  # bytes that are held, and how many it takes to go on
        self._raised: Exception | None = None  # by the callback
        self._on_full: OnFull | None = None

    # -- what uvicorn calls

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:  # not rejected; the route's task starts after this turn
            extensions = cast(dict[str, Any], self.scope["extensions"])
            extensions[EXTENSION] = self._out = WireTransport(self)
            self._relay = False

    def data_received(self, data: bytes) -> None:
        if self._relay:
            super().data_received(data)
        elif self._held or self._paused or self._scheduled:
            self._held.append(data)
            self._held_size += len(data)
            if self._paused or self._scheduled:
                self._stop_reading()
            elif self._held_size >= self._needed:
                self._feed(self._take_held())
        else:
            self._feed(data)

    def shutdown(self) -> None:
        """The server stops. uvicorn would raise, and stop no other, if a client has just sent its close frame."""
        if not self.transport.is_closing():
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._on_full:
            self._on_full(True)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._on_full:
            self._on_full(False)

    async def receive(self) -> ASGIReceiveEvent:
        """A route that awaits messages gets them from uvicorn."""
        if self.handshake_complete and not self._relay:
            self._relay_all(self._take_held())
            if not self.read_paused:
                self._read_on()
        return await super().receive()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # else uvicorn logs every denial response as an error

    def send_receive_event_to_app(self) -> None:
        """A message that uvicorn put together or decompressed is whole."""
        message, is_text = b"".join(self.frames), self.curr_msg_data_type == "text"
        if self._on_message is None or self.close_sent:
            super().send_receive_event_to_app()
        elif is_text and not _is_utf8(message):
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            self.frames = []
            self._on_message(message, is_text)

    # -- frames

    def _feed(self, data: bytes) -> None:
        """Hand over the whole frames at the front of `data` and hold the rest."""
        start, end, needed = 0, len(data), 2
        self._out.corked = True
        try:
            for _ in range(_FRAMES_A_TURN):
                if end - start < 6:
                    break
                body, size = start + 6, data[start + 1] - _MASKED
                if size == 126 and self._longest > 65_535:
                    body, size = start + 8, data[start + 2] << 8 | data[start + 3]
                elif not 0 <= size <= self._short:
                    body, size = self._measure(data, start)
                stop = body + size
                if stop > end:
                    needed = stop - start
                    break
                if data[start] == _BINARY and self._deliver:
                    self._deliver(apply_mask(data[body:stop], data[body - 4 : body]), False)
                elif not self._take(data, start, body, stop):
                    break
                start = stop
            else:
                self._schedule()
            if start < end:
                self._hold(data[start:], needed)
        except Exception as error:
            self._fail(error)
        self._out.flush()

    def _measure(self, data: bytes, start: int) -> tuple[int, int]:
        """Where the payload of a frame with a long header begins, and its size, 0 while that is not known."""
        size = data[start + 1] - _MASKED
        if size < 126:  # not masked, or longer than a very small limit
            return start, _NEVER
        body = start + (8 if size == 126 else 14)
        if body > len(data):
            return body, 0
        size = int.from_bytes(data[start + 2 : body - 4], "big")
        whole = size + sum(map(len, self.frames))  # of a message in fragments
        return body, size if whole <= self._longest else _NEVER

    def _take(self, data: bytes, start: int, body: int, stop: int) -> bool:
        """Any frame but a binary one that may be delivered. Returns False where nothing is to be taken now."""
        if self._paused or self.transport.is_closing():
            return False
        if data[start] == _TEXT and self._deliver:
            text = apply_mask(data[body:stop], data[body - 4 : body])
            if _is_utf8(text):
                self._deliver(text, True)
                return True
        self._out.flush()  # before uvicorn's answer to this
        super().data_received(data[start:stop])
        self._out.corked = True
        self._route_frames()
        return True

    def _route_frames(self) -> None:
        """Where plain data frames go from here. Inside a fragmented message they are an error, for uvicorn."""
        direct = not (self._paused or self.frames or self.close_sent)
        self._deliver = self._on_message if direct else None

    def _hold(self, rest: bytes, needed: int) -> None:
        """Hold what was not fed until there are `needed` bytes, unless uvicorn will reject it in any case."""
        if self.transport.is_closing():
            return
        legal = len(rest) < 2 or (rest[1] >= _MASKED and rest[0] & 15 in _OPCODES)
        if legal and needed < _NEVER:
            self._held.append(rest)
            self._held_size, self._needed = len(rest), needed
        else:
            self._relay_all(rest)

    def _take_held(self) -> bytes:
        data = b"".join(self._held)
        self._held.clear()
        self._held_size = self._needed = 0
        return data

    def _relay_all(self, data: bytes) -> None:
        self._relay = True
        if data:
            super().data_received(data)

    # -- turns

    def _schedule(self) -> None:
        """Go on in the next turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._stop_reading()
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        if not self._relay and not self._paused:
            self._feed(self._take_held())
        if not self._scheduled and not self._paused:
            self._read_on()

    def _stop_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # -- what the Transport does

    async def run(self, on_message: OnMessage) -> int:
        self._on_message = on_message
        self._shed()
        self.resume()
        try:
            while (event := await super().receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self._on_message = self._deliver = self._on_full = None
        if self._raised:
            raise self._raised
        closed = self.conn.close_rcvd or self.conn.close_sent
        return event["code"] if closed else 1006  # uvicorn's code is 1005 when no close frame came

    def _shed(self) -> None:
        """Free what the handshake needed: kilobytes for as long as the stream lives."""
        self.request.headers.clear()
        del self.response
        self.writable = _WRITABLE

    def limit(self, high_water_bytes: int, on_full: OnFull) -> None:
        self._on_full = on_full
        self.transport.set_write_buffer_limits(high=high_water_bytes, low=high_water_bytes // 2)

    def pause(self) -> None:
        self._paused, self._deliver = True, None
        self._stop_reading()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._route_frames()
            self._schedule()

    def end(self, code: int, reason: str) -> None:
        """Send a close frame; the client's close frame ends the connection, or else the timer does."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent, self._deliver = True, None
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
        self.resume()

    def _fail(self, error: Exception) -> None:
        """The callback raised: no message more; `run` raises it."""
        self._raised = error
        self.pause()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1011})


class WireTransport:
    """The Transport of a connection that uvicorn accepted with StreamProtocol.

    A write is a system call: messages that are sent while a segment is fed are one, and so are all but the first that
    are sent in another turn of the loop.
    """

    __slots__ = ("_protocol", "_unsent", "_unsent_size", "corked")

    def __init__(self, protocol: StreamProtocol) -> None:
        self._protocol = protocol
        self._unsent: list[bytes] = []
        self._unsent_size = 0
        self.corked = False  # a flush is scheduled

    @property
    def buffered(self) -> int:
        return self._unsent_size + self._protocol.transport.get_write_buffer_size()

    def send(self, data: bytes | str) -> None:
        first = _BINARY
        if isinstance(data, str):
            first, data = _TEXT, data.encode()
        size = len(data)
        if size < 126:
            self._unsent.append(_HEADERS[first][size] + data)
        elif size < 1 << 16:
            self._unsent.append(bytes((first, 126, size >> 8, size & 255)) + data)
        else:
            self._unsent += (bytes((first, 127)) + size.to_bytes(8, "big"), data)
        self._unsent_size += size
        if not self.corked:  # by itself: written now, and what follows in this turn together
            self.flush()
            self.corked = True
            self._protocol.loop.call_soon(self.flush)
        elif self._unsent_size > _CORKED_BYTES:
            self._write()

    def flush(self) -> None:
        """Write what was collected, unless the connection is over."""
        self.corked = False
        self._write()

    def _write(self) -> None:
        if self._unsent:
            data = b"".join(self._unsent)
            self._unsent.clear()
            self._unsent_size = 0
            protocol = self._protocol
            if not (protocol.close_sent or protocol.transport.is_closing()):
                protocol.transport.write(data)

    def close(self, code: int, reason: str = "") -> None:
        self.flush()
        if not (self._protocol.close_sent or self._protocol.transport.is_closing()):
            self._protocol.end(code, reason)

    def abort(self) -> None:
        self._protocol.transport.abort()

    def limit(self, high_water_bytes: int, on_full: OnFull) -> None:
        self._protocol.limit(high_water_bytes, on_full)

    def pause(self) -> None:
        self._protocol.pause()

    def resume(self) -> None:
        self._protocol.resume()

    async def run(self, on_message: OnMessage) -> int:
        return await self._protocol.run(on_message)


class _AlwaysSet(Event):
    """Whether uvicorn's `send` must wait: a Transport never uses it, so all can share one."""

    def clear(self) -> None:
        pass


_WRITABLE = _AlwaysSet()
_WRITABLE.set()


class _Mailbox:
    """The part of asyncio.Queue that uvicorn uses, for one reader: a tenth of its size."""

    __slots__ = ("_events", "_loop", "_waiting")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._events: list[ASGIReceiveEvent] = []
        self._waiting: Future[None] | None = None

    def put_nowait(self, event: ASGIReceiveEvent) -> None:
        self._events.append(event)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def empty(self) -> bool:
        return not self._events

    async def get(self) -> ASGIReceiveEvent:
        while not self._events:
            self._waiting = self._loop.create_future()
            await self._waiting
        return self._events.pop(0)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
