"""For operators: whether the server is up and ready, its counts, and the models that it serves."""

from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from skiprnn_service.errors import ModelError, StoreError
from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.routes import answers
from skiprnn_service.routes.parameters import Version
from skiprnn_service.state import ServerState

_TEXT = {"text/plain": {"schema": {"type": "string"}}}

router = APIRouter()


@router.get("/v2/health/live")
async def live() -> answers.Live:
    """The process answers."""
    return {"live": True}


@router.get("/v2/health/ready", responses={200: {"model": answers.Ready}, 503: {"model": answers.Ready}})
async def ready(request: Request) -> JSONResponse:
    """Streams can be opened, and a model is served (with strict_readiness: every one); else 503 and the reasons.

    A store that is down is reported (`saving`), but streams go on, so the server stays ready.
    """
    server: ServerState = request.app.state.server
    failed = {f"{name}/{version}": why for (name, version), why in _failures(request)}
    inexact = [_name(model) for model in server.models if model.runner.batching != "exact"]
    is_served = bool(server.models.models) and not (failed and server.settings.strict_readiness)
    is_ready = is_served and not server.streams.draining
    report: answers.Ready = {
        "ready": is_ready,
        "draining": server.streams.draining,
        "failed": failed,
        "nothing_served": _detail(request, server.models.nothing_served),
        "padded_or_inexact": inexact,
        "saving": _detail(request, server.streams.store_problem or "", StoreError) or "ok",
    }
    return JSONResponse(report, 200 if is_ready else 503)


@router.get("/metrics", response_class=Response, responses={200: {"content": _TEXT}})
async def metrics(request: Request) -> Response:
    """Counts in Prometheus' text format."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    try:
        server.stats.parked = await server.store.count()
    except StoreError:
        server.stats.store_failures += 1
    server.stats.models_failed = server.models.failed
    server.stats.expired, server.stats.damaged = server.store.expired, server.store.damaged
    return Response(server.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/models")
async def models(request: Request) -> answers.Models:
    """Models that are served, and those that failed and why."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    failed: list[answers.Failure] = [
        {"name": name, "version": version, "reason": why} for (name, version), why in _failures(request)
    ]
    return {"models": [facts(model) for model in server.models], "failed": failed}


@router.get("/v1/models/{model}")
async def model(request: Request, model: str, version: Version = None) -> answers.Model:
    """One model; without `version` the latest."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    return facts(server.models.get(model, version))


def facts(model: LoadedModel) -> answers.Model:
    """A model as clients see it."""
    fields = (
        {"targets": [], "events": None}
        | model.bundle.info.to_json()
        | {
            "name": model.name,
            "version": model.version,
            "gate": model.bundle.info.gate,
            "period": model.bundle.info.period,
            "sha256": model.bundle.sha256,
            "recording": model.recording is not None,
            "batching": model.runner.batching,
            "live_streams": model.engine.live,
        }
    )
    return cast(answers.Model, {name: fields[name] for name in answers.Model.__annotations__})


def _failures(request: Request) -> list[tuple[tuple[str, str], str]]:
    """(name, version) and the reason why it is not served."""
    server: ServerState = request.app.state.server
    return [(key, _detail(request, why)) for key, why in server.models.failures.items()]


def _detail(request: Request, reason: str, error: type[ModelError | StoreError] = ModelError) -> str:
    """The reason, if there is one: for an admin; for others the kind of the problem."""
    server: ServerState = request.app.state.server
    return reason if not reason or server.auth.is_admin(request) else error.public_message


def _name(model: LoadedModel) -> str:
    return f"{model.name}/{model.version}"
