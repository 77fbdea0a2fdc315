"""What operators look at: is it up, is it ready, what does it count, what does it serve."""

from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from skiprnn_service.errors import ModelError, StoreError
from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.routes import answers
from skiprnn_service.routes.parameters import Version
from skiprnn_service.state import ServerState

_CANNOT_BE_SERVED, _CANNOT_BE_SAVED = ModelError.public_message or "", StoreError.public_message or ""

router = APIRouter()


@router.get("/v2/health/live")
async def live() -> answers.Live:
    """The process answers."""
    return {"live": True}


@router.get("/v2/health/ready", responses={200: {"model": answers.Ready}, 503: {"model": answers.Ready}})
async def ready(request: Request) -> JSONResponse:
    """Streams can be opened, and every model in the folder is served; else 503 and what is wrong.

    A store that is down is told (`saving`), but streams go on, so the server stays ready.
    """
    server: ServerState = request.app.state.server
    admin = server.auth.is_admin(request)
    failed = {
        f"{name}/{version}": why if admin else _CANNOT_BE_SERVED
        for (name, version), why in server.models.failures.items()
    }
    inexact = [_name(model) for model in server.models if model.runner.batching != "exact"]
    is_ready = not failed and not server.streams.draining and any(True for _ in server.models)
    saving = server.streams.store_problem
    report: answers.Ready = {
        "ready": is_ready,
        "draining": server.streams.draining,
        "failed": failed,
        "padded_or_inexact": inexact,
        "saving": "ok" if saving is None else saving if admin else _CANNOT_BE_SAVED,
    }
    return JSONResponse(report, 200 if is_ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Counts as Prometheus reads them."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    try:
        server.stats.parked = await server.store.count()
    except StoreError:
        server.stats.store_failures += 1
    server.stats.expired, server.stats.damaged = server.store.expired, server.store.damaged
    return Response(server.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/models")
async def models(request: Request) -> answers.Models:
    """What is served, and what is not and why."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    admin = server.auth.is_admin(request)
    failed: list[answers.Failure] = [
        {"name": name, "version": version, "reason": why if admin else _CANNOT_BE_SERVED}
        for (name, version), why in server.models.failures.items()
    ]
    return {"models": [facts(model) for model in server.models], "failed": failed}


@router.get("/v1/models/{model}")
async def model(request: Request, model: str, version: Version = None) -> answers.Model:
    """One model; its latest version where none is asked for."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    return facts(server.models.get(model, version))


def facts(model: LoadedModel) -> answers.Model:
    """What a client may want to know of a model."""
    fields = model.bundle.info.to_json() | {
        "name": model.name,
        "version": model.version,
        "sha256": model.bundle.sha256,
        "batching": model.runner.batching,
        "live_streams": model.engine.live,
    }
    return cast(answers.Model, {name: fields[name] for name in answers.Model.__annotations__})


def _name(model: LoadedModel) -> str:
    return f"{model.name}/{model.version}"
