"""The streaming route: one websocket, one stream (docs/reference/protocol.md)."""

import logging
from typing import Any, cast, get_args

from fastapi import APIRouter, WebSocket
from fastapi.responses import JSONResponse

from skiprnn_service.auth.authenticator import TOKEN_SUBPROTOCOL
from skiprnn_service.errors import (
    MessageError,
    SkipRnnServiceError,
    UnknownPathError,
    UpgradeRequiredError,
)
from skiprnn_service.state import ServerState
from skiprnn_service.websocket import messages
from skiprnn_service.websocket.connection import StreamConnection
from skiprnn_service.websocket.transport import transport_of

_log = logging.getLogger(__name__)

router = APIRouter()

_PATH = "/v1/models/{model}/stream"


async def stream(websocket: WebSocket) -> None:
    """A stream of a model; query `stream_id`, `version`, `threshold`, `emit`."""
    server: ServerState = websocket.app.state.server
    model: str = websocket.path_params["model"]
    try:
        subprotocol = _subprotocol(websocket)
        principal = server.auth.principal(websocket, "stream")
        options = _options(websocket)
        connection = StreamConnection(server.settings, server.streams, emit=_emit(websocket))
        session = await server.streams.open(model, connection, principal=principal, **options)
    except SkipRnnServiceError as error:
        server.stats.rejected[error.code] += 1
        _log.info("stream rejected: %s", error, extra={"model": model, "code": error.code})
        await _reject(websocket, error)
        return
    except Exception:  # the server would answer in plain text
        _log.exception("stream could not be opened", extra={"model": model})
        await _reject(websocket, SkipRnnServiceError("internal error: see the log of the server"))
        return
    names = {
        "model": model,
        "version": session.model.version,
        "stream_id": session.id,
        "principal": principal,
    }
    _log.info("stream resumed" if session.resumed else "stream opened", extra=names)
    code = 1006
    try:
        await websocket.accept(subprotocol)
        transport = transport_of(websocket)
        info = session.model.bundle.info
        connection.start(transport, session, messages.codec(subprotocol, info.outputs, info.classes))
        code = await transport.run(connection.on_message)
    finally:
        connection.stop()
        counts = {"samples": session.slot.samples, "updates": session.slot.updates}
        _log.info("connection closed", extra=names | counts | {"close_code": code})
        await server.streams.park(session)


async def unknown_path(websocket: WebSocket) -> None:
    """Any other websocket."""
    path = f"{websocket.scope['path']!r:.100}"
    await _reject(websocket, UnknownPathError(f"path: expected /v1/models/MODEL/stream, got {path}"))


# FastAPI's own kind of route keeps kilobytes of stacks for every connection.
router.add_websocket_route(_PATH, stream)
router.add_websocket_route("/{path:path}", unknown_path)


@router.get(_PATH, include_in_schema=False)
async def upgrade_required() -> None:
    """A request that asks for no websocket, or whose proxy dropped the header that does."""
    raise UpgradeRequiredError(
        "expected a websocket handshake (Upgrade: websocket), got a plain request; "
        "a proxy in between must pass Upgrade and Connection on"
    )


def _subprotocol(websocket: WebSocket) -> str | None:
    everything: list[str] = websocket.scope.get("subprotocols") or []
    offered = [name for name in everything if not name.startswith(TOKEN_SUBPROTOCOL)]
    chosen = messages.negotiate_subprotocol(offered)
    if offered and chosen is None:
        raise MessageError(f"subprotocol: expected {messages.JSON} or {messages.BINARY}, got {offered}")
    return chosen


def _options(websocket: WebSocket) -> dict[str, Any]:
    query = websocket.query_params
    options: dict[str, Any] = {name: query.get(name) for name in ("stream_id", "version")}
    threshold = query.get("threshold")
    try:
        return options | {"threshold": None if threshold is None else float(threshold)}
    except ValueError:
        raise MessageError(f"threshold: expected a number in [0.5, 1], got {threshold!r:.100}") from None


def _emit(websocket: WebSocket) -> messages.Emit:
    emit = websocket.query_params.get("emit", "all")
    if emit not in get_args(messages.Emit):
        raise MessageError(f"emit: expected all, updates or events, got {emit!r:.100}")
    return cast(messages.Emit, emit)


async def _reject(websocket: WebSocket, error: SkipRnnServiceError) -> None:
    """Answer the handshake with a status and a reason."""
    message = websocket.app.state.server.auth.message(error, websocket)
    response = JSONResponse({"error": message, "code": error.code}, error.status, error.headers)
    await websocket.send_denial_response(response)
