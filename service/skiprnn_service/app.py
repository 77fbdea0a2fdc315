"""The application: routes on a ServerState that lives as long as the application does.

uvicorn --factory skiprnn_service.app:create_app        settings from the environment
skiprnn serve                                           the same with flags, and frames by `websocket_protocol.py`
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import ClientDisconnect

from skiprnn_service.errors import SkipRnnServiceError
from skiprnn_service.middleware import request_ids, security_headers
from skiprnn_service.middleware.head import HeadAsGet
from skiprnn_service.middleware.hosts import AllowedHosts, hosts_of
from skiprnn_service.middleware.json_errors import JsonErrors
from skiprnn_service.routes import (
    answers,
    api_docs,
    dashboard,
    health,
    infer,
    oip_models,
    score,
    stream,
    tickets,
)
from skiprnn_service.settings import Settings, words
from skiprnn_service.state import ServerState
from skiprnn_service.telemetry import traces

_PAGE = Path(__file__).parent / "page"
_EXAMPLE = {"error": "model: expected one of ['watch'], got 'watsh'", "code": "unknown_model"}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": answers.Error,
        "description": "The request was rejected; nothing changed.",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
    "5XX": {
        "model": answers.Error,
        "description": "The server failed, or is full: a later request may succeed.",
    },
}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key or a JSON Web Token, where the server has keys.",
}
_METHODS = ("GET", "HEAD", "POST")
_EXPOSED = (
    request_ids.HEADER,
    infer.LENGTH_HEADER,
    score.WARNINGS_HEADER,
    "Retry-After",
    "WWW-Authenticate",
)  # to pages of other origins

_log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for some settings; None takes them from the environment."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with ServerState.opened(settings) as server:
                app.state.server = server
                yield
        finally:
            await asyncio.to_thread(send_traces)

    app = _Application(
        title="skiprnn",
        version=version("skiprnn"),
        summary="Skip RNNs on live streams: the network chooses the samples that update its state.",
        lifespan=lifespan,
        responses=_RESPONSES,
        docs_url=None,  # `routes/api_docs.py` has one that loads nothing from a foreign host
        redoc_url=None,
    )
    _add_middleware(app, settings)
    send_traces = traces.instrument(app, settings)
    _add_routes(app)
    return app


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """With the security scheme, which no route needs where the server has no keys."""
        document = super().openapi()
        document["components"]["securitySchemes"] = {"bearer": _BEARER}
        document["security"] = [{"bearer": []}, {}]
        return document


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """From the innermost on. Starlette's own answer to an uncaught error would go past all of them."""
    app.add_middleware(ServerErrorMiddleware, handler=_on_uncaught_error)
    app.add_middleware(HeadAsGet)
    hosts = hosts_of(settings)
    if hosts is not None:
        app.add_middleware(AllowedHosts, hosts=hosts)
    origins = words(settings.allowed_origins)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            allow_methods=_METHODS,
            allow_headers=["*"],
            expose_headers=_EXPOSED,
        )
    app.add_middleware(JsonErrors)
    app.add_middleware(security_headers.SecurityHeaders)
    app.add_middleware(request_ids.RequestIds)


def _add_routes(app: FastAPI) -> None:
    for module in (stream, score, infer, oip_models, health, dashboard, tickets, api_docs):
        app.include_router(module.router)
    app.add_exception_handler(SkipRnnServiceError, _on_service_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    api_docs.mount(app)
    app.mount("/page/client", StaticFiles(directory=dashboard.CLIENT), name="client")
    app.mount("/page", StaticFiles(directory=_PAGE), name="page")
    app.add_api_route("/", _page, include_in_schema=False)


async def _page() -> FileResponse:
    return FileResponse(_PAGE / "index.html")


# -- errors: whatever goes wrong, the body is {"error", "code"}


async def _on_service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SkipRnnServiceError)
    server: ServerState = request.app.state.server
    server.stats.rejected[error.code] += 1
    if error.public_message is not None:
        _log.warning("%s: %s", error.code, error)
    return _error(error.status, error.code, server.auth.message(error, request), error.headers)


async def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    """An unknown path is not_found, an unknown method method_not_allowed, and so on."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return _error(error.status_code, code, error.detail, error.headers)


async def _on_invalid_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return _error(400, "validation", "; ".join(problems))


async def _on_uncaught_error(_: Request, __: Exception) -> JSONResponse:
    """Starlette raises them again after this answer: the server logs the traceback."""
    return _error(500, "internal", "internal error: see the log of the server")


async def _on_disconnect(_: Request, __: Exception) -> Response:
    """Not sent: there is no client any more. nginx logs such a request with the same status."""
    return Response(status_code=499)


def _error(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": text, "code": code}, status, headers)
