"""Whether a request is a websocket handshake that can be accepted: uvicorn answers others in plain text, or never."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS, Request
from websockets.server import ServerProtocol

_CHECKER = ServerProtocol()  # `process_request` changes nothing that a second request would meet
_LINE_ENDS = len(b": \r\n")


class Rejection(NamedTuple):
    """An answer that comes before there is an application."""

    status: int
    code: str
    message: str
    headers: tuple[str, ...] = ()

    def encode(self, *, with_body: bool = True) -> bytes:
        body = json.dumps({"error": self.message, "code": self.code}).encode()
        lines = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            "connection: close",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *self.headers,
        )
        return "\r\n".join((*lines, "", "")).encode() + (body if with_body else b"")


BAD_HANDSHAKE = Rejection(400, "http", "expected a websocket handshake (RFC 6455)")


def rejection(method: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Rejection | None:
    """The answer to a handshake that cannot be accepted; None: it can.

    Args:
        headers: names in lower case.
    """
    if method != "GET":
        return Rejection(405, "method_not_allowed", "websocket handshake: expected GET", ("allow: GET",))
    given = dict(headers)
    if b"transfer-encoding" in given or given.get(b"content-length", b"0") != b"0":
        return BAD_HANDSHAKE._replace(message="websocket handshake: expected no body")
    longest = max(len(name) + len(value) for name, value in headers) + _LINE_ENDS
    if len(headers) > MAX_NUM_HEADERS or max(longest, len(url) + len("GET  HTTP/1.1\r\n")) > MAX_LINE_LENGTH:
        limits = (
            f"{MAX_NUM_HEADERS} headers at most, and {MAX_LINE_LENGTH} bytes in each and in the first line"
        )
        return Rejection(431, "too_large", f"websocket handshake: expected {limits}")
    if given.get(b"sec-websocket-version", b"13") != b"13":
        message = "Sec-WebSocket-Version: expected 13"
        return Rejection(
            426, "upgrade_required", message, ("sec-websocket-version: 13", "upgrade: websocket")
        )
    return _invalid(headers)


def _invalid(headers: Sequence[tuple[bytes, bytes]]) -> Rejection | None:
    texts = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers])
    try:
        _CHECKER.process_request(Request("/", texts))
    except InvalidHandshake as error:
        return BAD_HANDSHAKE._replace(message=f"websocket handshake: {error!s:.200}")
    return None
