"""Metadata of the Open Inference Protocol v2, and its model repository (docs/reference/oip.md)."""

from importlib.metadata import version as version_of
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from skiprnn_service.errors import MessageError, SkipRnnServiceError
from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.oip.outputs import OUTPUTS
from skiprnn_service.routes import answers, request_body
from skiprnn_service.routes.parameters import Model, Version
from skiprnn_service.settings import Settings
from skiprnn_service.state import ServerState

EXTENSIONS = (
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "parameters",
    "sequence",
    "sequence(string_id)",
    "statistics",
)

_TYPES = {"FP32": "TYPE_FP32", "INT64": "TYPE_INT64", "BOOL": "TYPE_BOOL"}

T = TypeVar("T")

router = APIRouter()


@router.get("/v2")
async def server() -> answers.Server:
    """The server, and the extensions of the protocol that it supports."""
    return {"name": "skiprnn", "version": version_of("skiprnn"), "extensions": list(EXTENSIONS)}


@router.get("/v2/models/stats")
@router.get("/v2/models/{model}/stats")
@router.get("/v2/models/{model}/versions/{version}/stats")
async def stats(request: Request, model: Model = None, version: Version = None) -> answers.Statistics:
    """Statistics since the start: of one version, of all versions of a model, or of all models."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    if model is None:
        models = list(server.models)
    elif version is None:
        server.models.get(model)
        models = list(server.models.models[model].values())
    else:
        models = [server.models.get(model, version)]
    return {"model_stats": [_stats(server, served) for served in models]}


@router.get("/v2/models/{model}")
@router.get("/v2/models/{model}/versions/{version}")
async def metadata(request: Request, model: str, version: Version = None) -> answers.ModelMetadata:
    """Inputs and outputs of a model. The protocol has no optional inputs here, so `lengths` is left out."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    served = server.models.get(model, version)
    x: answers.TensorMetadata = {
        "name": "x",
        "datatype": "FP32",
        "shape": [-1, -1, served.bundle.info.input_size],
    }
    outputs: list[answers.TensorMetadata] = [
        {"name": name, "datatype": output.datatype, "shape": _dims(output.dims, served)}
        for name, output in OUTPUTS.items()
    ]
    return {
        "name": served.name,
        "versions": list(server.models.models.get(served.name, {})),
        "platform": "skiprnn",
        "inputs": [x],
        "outputs": outputs,
    }


@router.get("/v2/models/{model}/ready", response_class=Response)
@router.get("/v2/models/{model}/versions/{version}/ready", response_class=Response)
async def ready(request: Request, model: str, version: Version = None) -> Response:
    """200 if the model takes requests; else an error."""
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    server.models.get(model, version)
    return Response()


@router.get("/v2/models/{model}/config")
@router.get("/v2/models/{model}/versions/{version}/config")
async def config(request: Request, model: str, version: Version = None) -> answers.ModelConfig:
    """A model's configuration in Triton's terms; load generators see there that it takes sequences.

    `lengths` is left out: perf_analyzer sends every input that it finds here, which no sequence takes.
    """
    server: ServerState = request.app.state.server
    server.auth.check_metadata(request)
    served = server.models.get(model, version)
    idle = round(server.settings.idle_timeout_seconds * 1e6)
    x: answers.TensorConfig = {
        "name": "x",
        "data_type": "TYPE_FP32",
        "dims": [-1, served.bundle.info.input_size],
    }
    outputs: list[answers.TensorConfig] = [
        {"name": name, "data_type": _TYPES[output.datatype], "dims": _dims(output.dims, served)[1:] or [1]}
        for name, output in OUTPUTS.items()
    ]
    return {
        "name": served.name,
        "platform": "",
        "backend": "skiprnn",
        "max_batch_size": server.settings.max_batch,
        "input": [x],
        "output": outputs,
        "sequence_batching": {"max_sequence_idle_microseconds": idle, "oldest": _oldest(server.settings)},
    }


def _oldest(settings: Settings) -> answers.OldestFirst:
    """A turn takes one due sample of each stream, oldest first, and waits for none (`engine/batcher.py`)."""
    return {"max_candidate_sequences": settings.max_streams, "max_queue_delay_microseconds": 0}


def _dims(dims: tuple[int | str, ...], served: LoadedModel) -> list[int]:
    return [served.bundle.info.outputs if isinstance(dim, str) else dim for dim in dims]


# -- statistics


def _stats(server: ServerState, served: LoadedModel) -> answers.ModelStatistics:
    counts = server.oip_stats.of(served)
    nothing: answers.Duration = {"count": 0, "ns": 0}

    def each(nanoseconds: int) -> answers.Duration:
        """Every request that was answered went through every phase: load generators count on it."""
        return {"count": counts.requests, "ns": nanoseconds}

    return {
        "name": served.name,
        "version": served.version,
        "last_inference": counts.last,
        "inference_count": counts.rows,
        "execution_count": sum(served.engine.stats.batch_size.counts),
        "inference_stats": {
            "success": each(sum(counts.phases)),
            "fail": {"count": counts.failed, "ns": 0},
            "queue": each(counts.phases.queue),
            "compute_input": each(counts.phases.input),
            "compute_infer": each(counts.phases.infer),
            "compute_output": each(counts.phases.output),
            "cache_hit": nothing,
            "cache_miss": nothing,
        },
        "batch_stats": [],
    }


# -- the repository


class _Index(msgspec.Struct):
    ready: bool = False


class _Change(msgspec.Struct):
    parameters: dict[str, Any] = {}


_READY = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
_NOTHING = {"type": "object", "properties": {"parameters": {"type": "object", "maxProperties": 0}}}
_FOUND = [
    {"name": "watch", "version": "2", "state": "READY", "reason": ""},
    {"name": "watch", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
]


def _body_of(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """For the OpenAPI document; the body may be left out."""
    return {"requestBody": {"content": {"application/json": {"schema": schema, "example": example}}}}


@router.post(
    "/v2/repository/index",
    openapi_extra=_body_of(_READY, {"ready": True}),
    responses={200: {"content": {"application/json": {"example": _FOUND}}}},
)
async def index(request: Request) -> list[answers.IndexEntry]:
    """All models in the folder; with `{"ready": true}` those that are served."""
    server: ServerState = request.app.state.server
    server.auth.principal(request, "admin")
    only_ready = (await _body(request, _Index, server.settings)).ready
    models = server.models
    states = {
        (served.name, served.version): ("READY", models.stale.get((served.name, served.version), ""))
        for served in models
    }
    if not only_ready:
        draining = {(served.name, served.version): ("UNAVAILABLE", "unloaded") for served in models.draining}
        unloaded = {(name, ""): ("UNAVAILABLE", "unloaded") for name in models.unloaded}
        failed = {key: ("UNAVAILABLE", why) for key, why in models.failures.items()}
        states = failed | draining | unloaded | states
    return [
        {"name": name, "version": version, "state": state, "reason": reason}
        for (name, version), (state, reason) in states.items()
    ]


@router.post(
    "/v2/repository/models/{model}/load", openapi_extra=_body_of(_NOTHING, {}), response_class=Response
)
async def load(request: Request, model: str) -> Response:
    """Load a model from the folder: new versions are added, changed files replace old ones."""
    server: ServerState = request.app.state.server
    server.auth.principal(request, "admin")
    change = await _body(request, _Change, server.settings)
    if change.parameters:
        raise MessageError("parameters: expected none: models are loaded from the folder")
    try:
        await server.models.reload(model)
    except SkipRnnServiceError as error:
        raise MessageError(f"failed to load {model!r}: {error}") from None
    return Response()


@router.post(
    "/v2/repository/models/{model}/unload", openapi_extra=_body_of(_NOTHING, {}), response_class=Response
)
async def unload(request: Request, model: str) -> Response:
    """Stop serving a model: its live streams go on until they end, new ones are rejected."""
    server: ServerState = request.app.state.server
    server.auth.principal(request, "admin")
    await _body(request, _Change, server.settings)
    await server.models.unload(model)
    return Response()


async def _body(request: Request, body_type: type[T], settings: Settings) -> T:
    data = await request_body.read(request, limit=settings.max_json_bytes, setting="max_json_bytes")
    try:
        return msgspec.json.decode(data or b"{}", type=body_type)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(f"body: expected an object in JSON, or nothing: {error}") from None
