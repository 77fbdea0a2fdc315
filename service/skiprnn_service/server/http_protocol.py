"""uvicorn's HTTP protocol with limits on a client that sends or reads too slowly, or without end.

A request's head and trailers have a timeout and a maximum size, the parts of a body have a timeout, as has the reading
of an answer, and the number of connections is limited: else a few slow clients could hold all of the server's sockets
("slow loris").
"""

import asyncio
import logging
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from skiprnn_service.server.handshake import BAD_HANDSHAKE, Rejection, rejection
from skiprnn_service.settings import Settings

MAX_HEAD_BYTES = 65_536
_LEAST_READ = 131_072  # bytes of an answer that a client must take within slow_client_timeout_seconds

_NO_LINGER = struct.pack("ii", 1, 0)

_NO_HTTP = Rejection(400, "http", "expected an HTTP/1.1 request")
_LATE = Rejection(408, "timeout", "the request was not complete within read_timeout_seconds")
_TOO_LARGE = Rejection(431, "too_large", f"headers: expected {MAX_HEAD_BYTES} bytes at most")
_FULL = Rejection(503, "overloaded", "all connections are in use (max_connections)")

_log = logging.getLogger(__name__)


def http_protocol(settings: Settings) -> type[HttpToolsProtocol]:
    """The class for uvicorn (`http=`) with the limits of some settings."""

    class LimitedHttpProtocol(_HttpProtocol):
        max_connections = settings.max_connections
        seconds = settings.read_timeout_seconds
        answer_seconds = settings.slow_client_timeout_seconds

    return LimitedHttpProtocol


class _HttpProtocol(HttpToolsProtocol):
    max_connections: int
    seconds: float
    answer_seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0  # of the head, or in a body since its last part, before the latest segment
        self._in_head = True
        self._got_body = False  # in the latest segment
        self._deadline: asyncio.TimerHandle | None = None
        self._answer_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        full = len(self.connections) >= self.max_connections
        super().connection_made(transport)
        transport.set_write_buffer_limits(1)  # writing is paused exactly while bytes wait for the client
        if full:
            self._reject(_FULL)
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        if self._head_bytes > MAX_HEAD_BYTES:
            self._reject(_TOO_LARGE)
            return
        self._head_bytes += len(data)
        if self._deadline is None and self._in_head and self._is_idle():  # an empty line begins no message
            self._wait()
        self._got_body = False
        super().data_received(data)
        if (
            self._got_body and not self._in_head
        ):  # the next part has the whole timeout again; trailers have not
            self._head_bytes = 0
            if self._deadline is not None:
                self._wait()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # no trailer: nothing here needs one
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._got_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        problem = rejection(self.scope["method"], self.url, self.headers)
        if problem is None and self.cycle and (self.flow.write_paused or not self._is_idle()):
            problem = BAD_HANDSHAKE._replace(message="websocket handshake: expected it after the last answer")
        if problem is not None:
            self._reject(problem)
            return
        self._stop_watching()
        self.transport.set_write_buffer_limits()
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # a reference cycle: it would stay until the garbage collector runs
        protocol: Any = self.transport.get_protocol()
        if not protocol.handshake_initiated:  # websockets could not parse it, and has no answer
            self._reject(BAD_HANDSHAKE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(self.seconds, self._late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        if self.flow.read_paused:  # not the client's fault: reading is paused
            self._wait()
        else:
            self._reject(_LATE)

    # -- a client that does not read

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_watching()

    def _watch(self) -> None:
        """Also after `close`, which alone would wait for the client without end."""
        self._stop_watching()
        unread = self.transport.get_write_buffer_size()
        self._answer_deadline = self.loop.call_later(self.answer_seconds, self._check_reader, unread)

    def _stop_watching(self) -> None:
        if self._answer_deadline is not None:
            self._answer_deadline.cancel()
            self._answer_deadline = None

    def _check_reader(self, unread: int) -> None:
        if unread - self.transport.get_write_buffer_size() >= _LEAST_READ:
            self._watch()
            return
        _log.warning("a client did not read its answer within slow_client_timeout_seconds")
        client = self.transport.get_extra_info("socket")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)  # else the kernel holds the answer
        self.transport.abort()

    # -- answers before there is an application

    def _reject(self, problem: Rejection) -> None:
        """Send the reason and close; a response that has begun is cut short instead."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if not (self.cycle and self.cycle.response_started and not self.cycle.response_complete):
            is_head = self.scope is not None and self.scope.get("method") == "HEAD"
            self.transport.write(problem.encode(with_body=not is_head))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words are in uvicorn's log
        self._reject(_NO_HTTP)
