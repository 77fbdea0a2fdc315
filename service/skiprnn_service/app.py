"""The application: routes on a ServerState that lives as long as the application does.

uvicorn --factory skiprnn_service.app:create_app        settings from the environment
skiprnn serve                                           the same with flags, and frames by `wire.py`
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from skiprnn_service.errors import SkipRnnServiceError
from skiprnn_service.middleware.request_ids import RequestIds
from skiprnn_service.middleware.security_headers import SecurityHeaders
from skiprnn_service.routes import dashboard as page_route
from skiprnn_service.routes import health, oip_models
from skiprnn_service.routes import infer as inference
from skiprnn_service.routes import score as scoring_route
from skiprnn_service.routes import stream as websocket
from skiprnn_service.routes import tickets as tickets_route
from skiprnn_service.settings import Settings
from skiprnn_service.state import ServerState
from skiprnn_service.telemetry import traces

_PAGE = Path(__file__).parent / "page"
_REFUSED = {"error": "model: expected one of ['watch'], got 'watsh'", "code": "unknown_model"}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "Refused; nothing changed.",
        "content": {"application/json": {"example": _REFUSED}},
    }
}


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

    app = FastAPI(
        title="skiprnn",
        version=version("skiprnn"),
        summary="Recurrent networks on live streams that read only the samples they choose.",
        lifespan=lifespan,
        responses=_RESPONSES,
        docs_url=None,  # its page loads scripts from a foreign host
        redoc_url=None,
    )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestIds)
    send_traces = traces.instrument(app, settings)
    _add_routes(app)
    return app


def _add_routes(app: FastAPI) -> None:
    for module in (websocket, scoring_route, inference, oip_models, health, page_route, tickets_route):
        app.include_router(module.router)
    app.add_exception_handler(SkipRnnServiceError, _on_service_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.mount("/page/client", StaticFiles(directory=page_route.CLIENT), name="client")
    app.mount("/page", StaticFiles(directory=_PAGE), name="page")
    app.add_api_route("/", _page, include_in_schema=False)


async def _page() -> FileResponse:
    return FileResponse(_PAGE / "index.html")


async def _on_service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SkipRnnServiceError)
    request.app.state.server.stats.rejected[error.code] += 1
    return JSONResponse({"error": str(error), "code": error.code}, error.status, error.headers)


async def _on_http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _on_invalid_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    said = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    return JSONResponse({"error": "; ".join(said)}, 400)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    """Not sent: there is no client any more. nginx logs such a request with the same status."""
    return Response(status_code=499)
