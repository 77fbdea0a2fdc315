"""Opening a connection: the address with its query, and what a failure to open means."""

import json
from collections.abc import Mapping
from ssl import SSLContext
from typing import Any, TypedDict
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Close, CloseCode
from websockets.http11 import Response

from skiprnn_client.errors import ClientError, ConnectionFailed, ConnectionRejected, StreamClosed
from skiprnn_client.messages import Encoding, Ready

OPEN_TIMEOUT_SECONDS = 10.0
# Short, because closing runs in the garbage collector and at exit too. The server parks the stream in any case.
CLOSE_TIMEOUT_SECONDS = 1.0
# What opening raises: no server, unknown host, no answer in time, an answer that is not a websocket's.
OPEN_ERRORS = (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConnectionClosed)

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class Options(TypedDict, total=False):
    """What every way of opening a stream takes.

    Attributes:
        stream_id: resume the stream with this id, or start it; None: the server generates an id.
        encoding: of samples and replies: "f32" (binary) or "json".
        threshold: of the gate, in [0.5, 1]; higher means fewer updates; None: the model's.
        version: of the model; None: the latest.
        api_key: a key or token, sent as `Authorization: Bearer …`.
        headers: others to send when the connection is opened.
        ssl: checks the certificate of a wss server; None: against the system's.
    """

    stream_id: str | None
    encoding: Encoding
    threshold: float | None
    version: str | None
    api_key: str | None
    headers: Mapping[str, str] | None
    ssl: SSLContext | None


def socket_settings(options: Options) -> dict[str, Any]:
    """Arguments of websockets' `connect`."""
    encoding = options.get("encoding", "f32")
    if encoding not in ("f32", "json"):
        raise ValueError(f"encoding: expected 'f32' or 'json', got {encoding!r}")
    headers = dict(options.get("headers") or {})
    if options.get("api_key"):
        headers["Authorization"] = f"Bearer {options['api_key']}"
    settings = {"ssl": options["ssl"]} if options.get("ssl") else {}
    return settings | {
        "additional_headers": headers,
        "subprotocols": [f"skiprnn.{encoding}"],
        "open_timeout": OPEN_TIMEOUT_SECONDS,
        "compression": None,  # samples hardly compress, and it costs more than it saves
        "max_size": None,  # replies are as long as our own messages make them
    }


def address(url: str, options: Options) -> str:
    """The websocket's address. http and https are taken as ws and wss; options join the query."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"url: expected ws://HOST:PORT/v1/models/MODEL/stream, got {url!r}")
    asked = {name: options.get(name) for name in ("stream_id", "threshold", "version")}
    query = dict(parse_qsl(parts.query)) | {
        name: str(value) for name, value in asked.items() if value is not None
    }
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, parts.path, urlencode(query), ""))


def resuming(options: Options, ready: Ready) -> Options:
    """Options to connect to the same stream again; should it begin again, then as it began."""
    same: Options = {"stream_id": ready.stream_id, "version": ready.version}
    if "threshold" in ready.facts:
        same["threshold"] = ready.threshold
    return {**options, **same}


def failure(error: Exception, url: str) -> ClientError:
    """An error of OPEN_ERRORS as one of this package's."""
    match error:
        case InvalidStatus():
            return _rejected(error.response)
        case ConnectionClosed():
            return closed(error)
        case TimeoutError():
            return ConnectionFailed(f"{url}: no answer within {OPEN_TIMEOUT_SECONDS:g} s")
    return ConnectionFailed(f"{url}: {error}")


def moving() -> ConnectionClosed:
    """What to raise to move to another server, as if this one, which will stop soon, had closed the connection."""
    return ConnectionClosed(Close(CloseCode.SERVICE_RESTART, "the server goes away"), None)


def closed(error: ConnectionClosed) -> StreamClosed:
    """How a connection ended: by the server's close frame, or lost."""
    if error.rcvd is None:
        return StreamClosed(1006, "connection lost")
    return StreamClosed(error.rcvd.code, error.rcvd.reason)


def closed_here() -> StreamClosed:
    """The connection ended because the caller closed it."""
    return StreamClosed(CloseCode.NORMAL_CLOSURE, "by the client")


def _rejected(response: Response) -> ConnectionRejected:
    retry_after = response.headers.get("Retry-After", "")
    seconds = float(retry_after) if retry_after.isdigit() else None
    return ConnectionRejected(response.status_code, _reason(response), retry_after_seconds=seconds)


def _reason(response: Response) -> str:
    """The reason in a body {"error": "…"}, or the body itself, or the status line's."""
    text = bytes(response.body or b"").decode(errors="replace").strip()
    try:
        fields = json.loads(text)
    except ValueError:
        return text[:200] or response.reason_phrase
    return str(fields["error"]) if isinstance(fields, dict) and "error" in fields else text[:200]
