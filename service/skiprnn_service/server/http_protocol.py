"""uvicorn's HTTP protocol with limits on a client before its request is complete.

A request's head has a timeout and a maximum size, the parts of a body have a timeout, and the number of connections is
limited: else a few slow clients could hold all of the server's sockets ("slow loris").
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from skiprnn_service.settings import Settings

MAX_HEAD_BYTES = 65_536
_ERRORS = {  # status → code and message of the body; these are answered before there is an application
    400: ("http", "expected an HTTP/1.1 request, and no body with a websocket handshake"),
    408: ("timeout", "the request was not complete within read_timeout_seconds"),
    431: ("too_large", f"headers: expected {MAX_HEAD_BYTES} bytes at most"),
    503: ("overloaded", "all connections are in use (max_connections)"),
}


def http_protocol(settings: Settings) -> type[HttpToolsProtocol]:
    """The class for uvicorn (`http=`) with the limits of some settings."""

    class LimitedHttpProtocol(_HttpProtocol):
        max_connections = settings.max_connections
        seconds = settings.read_timeout_seconds

    return LimitedHttpProtocol


class _HttpProtocol(HttpToolsProtocol):
    max_connections: int
    seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0  # before the latest segment; uvicorn does not count them
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        full = len(self.connections) >= self.max_connections
        super().connection_made(transport)
        if full:
            self._reject(503)
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._reject(431)
            return
        if self._in_head:
            self._head_bytes += len(data)
        elif self._deadline is not None:  # part of a body: the next has the whole timeout again
            self._wait()
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._wait()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._in_head = True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        if self._has_body():  # which uvicorn does not answer
            self._reject(400)
            return
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # a reference cycle: it would stay until the garbage collector runs

    def _has_body(self) -> bool:
        headers = dict(self.headers)
        return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
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
            self._reject(408)

    def _reject(self, status: int) -> None:
        """Send the reason and close; a response that has begun is cut short instead."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if not (self.cycle and self.cycle.response_started and not self.cycle.response_complete):
            self.transport.write(_response(status))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's words are in uvicorn's log
        self._reject(400)


def _response(status: int) -> bytes:
    code, message = _ERRORS[status]
    body = json.dumps({"error": message, "code": code}).encode()
    headers = f"connection: close\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{headers}\r\n\r\n".encode() + body
