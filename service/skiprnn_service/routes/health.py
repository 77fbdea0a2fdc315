"""For operators: whether the server is up and ready, its counts, and the models that it serves."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from skiprnn_service.errors import AuthenticationError, ForbiddenError, StoreError
from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.state import ServerState

router = APIRouter()


@router.head("/v2/health/live", include_in_schema=False)
@router.get("/v2/health/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.head("/v2/health/ready", include_in_schema=False)
@router.get("/v2/health/ready")
async def ready(request: Request) -> JSONResponse:
    """Streams can be opened, and a model is served (with strict_readiness: every one); else 503 and the reasons.

    A store that is down is reported (`saving`), but streams go on, so the server stays ready.
    """
    server: ServerState = request.app.state.server
    failed = {f"{name}/{version}": why for (name, version), why in _failures(request)}
    inexact = [_name(model) for model in server.models if model.runner.batching != "exact"]
    is_served = bool(server.models.models) and not (failed and server.settings.strict_readiness)
    is_ready = is_served and not server.streams.draining
    report = {
        "ready": is_ready,
        "draining": server.streams.draining,
        "failed": failed,
        "nothing_served": _detail(request, server.models.nothing_served),
        "padded_or_inexact": inexact,
        "saving": server.streams.store_problem or "ok",
    }
    return JSONResponse(report, 200 if is_ready else 503)


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counts in Prometheus' text format."""
    server: ServerState = request.app.state.server
    try:
        server.stats.parked = await server.store.count()
    except StoreError:
        server.stats.store_failures += 1
    server.stats.models_failed = server.models.failed
    server.stats.expired, server.stats.damaged = server.store.expired, server.store.damaged
    return Response(server.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """Models that are served, and those that failed and why."""
    server: ServerState = request.app.state.server
    failed = [
        {"name": name, "version": version, "reason": why} for (name, version), why in _failures(request)
    ]
    return {"models": [facts(model) for model in server.models], "failed": failed}


@router.get("/v1/models/{model}")
async def model(request: Request, model: str, version: str | None = None) -> dict[str, Any]:
    """One model; without `version` the latest."""
    server: ServerState = request.app.state.server
    return facts(server.models.get(model, version))


def facts(model: LoadedModel) -> dict[str, Any]:
    """A model as clients see it."""
    info = model.bundle.info
    fields = info.to_json()
    named = ("cell", "layers", "hidden", "features", "outputs", "classes", "task", "multi_label")
    gate = ("threshold", "max_skip", "sample_rate", "training")
    return {
        "name": model.name,
        "version": model.version,
        **{name: fields[name] for name in (*named, *gate)},
        "sha256": model.bundle.sha256,
        "batching": model.runner.batching,
        "live_streams": model.engine.live,
    }


def _failures(request: Request) -> list[tuple[tuple[str, str], str]]:
    """(name, version) and the reason why it is not served."""
    server: ServerState = request.app.state.server
    return [(key, _detail(request, why)) for key, why in server.models.failures.items()]


def _detail(request: Request, reason: str) -> str:
    """A reason for those who may see what is in the model folder; whether there is one for everybody else."""
    server: ServerState = request.app.state.server
    try:
        server.auth.principal(request, "admin")
    except (AuthenticationError, ForbiddenError):
        return reason and "the log has the reason; GET with a key of scope admin gives it too"
    return reason


def _name(model: LoadedModel) -> str:
    return f"{model.name}/{model.version}"
