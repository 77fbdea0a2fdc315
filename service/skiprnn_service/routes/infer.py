"""`POST /v2/models/M[/versions/V]/infer`: the Open Inference Protocol v2 as its clients send it: docs/reference/oip.md.

Without a sequence_id a request is a batch of whole sequences, scored beside the streams; with one it is the next piece
of a live sequence, on the engine of the websocket's streams.
"""

import asyncio
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response
from numpy.typing import NDArray

from skiprnn_service.errors import (
    ForbiddenError,
    MessageError,
    ShapeError,
    SkipRnnServiceError,
    TooLargeError,
)
from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.oip import outputs as oip_outputs
from skiprnn_service.oip.outputs import OUTPUTS, Reading
from skiprnn_service.oip.sequences import Ask
from skiprnn_service.oip.tensors import LENGTH_HEADER, Array, InferRequest, decode, encode, json_length
from skiprnn_service.routes import request_body
from skiprnn_service.scoring.score import score_padded
from skiprnn_service.settings import Settings
from skiprnn_service.state import ServerState

_WORTH_COMPRESSING = 1024  # bytes
_MAX_ID = 2**64  # sequence ids are uint64, or strings

router = APIRouter()


_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string"},
                    "inputs": {"type": "array", "items": {"type": "object"}},
                    "outputs": {"type": "array", "items": {"type": "object"}},
                    "parameters": {"type": "object"},
                },
            },
            "example": {
                "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1, 3], "data": [0.0, 1.0, 0.0]}],
                "outputs": [{"name": "y"}],
                "parameters": {"sequence_id": "sensor-7", "sequence_start": True},
            },
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post("/v2/models/{model}/infer", openapi_extra={"requestBody": _BODY})
@router.post("/v2/models/{model}/versions/{version}/infer", openapi_extra={"requestBody": _BODY})
async def infer(request: Request, model: str, version: str | None = None) -> Response:
    """Score a batch of sequences, or read the next piece of a live one."""
    server: ServerState = request.app.state.server
    _check_known(request, server)
    asked = await _asked(request, server.settings)
    ask = _sequence(asked, model, version)
    started = time.perf_counter_ns()
    try:
        if ask is None:
            served, answer = await _batch(request, server, asked, model, version)
        else:
            served, answer = await _piece(request, server, asked, ask)
    except SkipRnnServiceError:
        server.oip_stats.of(server.models.get(model, version)).failed += 1
        raise
    server.oip_stats.add(served, rows=_rows(asked), nanoseconds=time.perf_counter_ns() - started)
    return await _respond(request, *answer)


def _check_known(request: Request, server: ServerState) -> None:
    """Nobody sends a body for nothing: only it tells which scope is needed, and who has neither is refused before."""
    try:
        server.auth.principal(request, "score")
    except ForbiddenError:
        server.auth.principal(request, "stream")


async def _asked(request: Request, settings: Settings) -> InferRequest:
    body = await request_body.read(request, limit=settings.max_request_bytes, setting="max_request_bytes")
    length = json_length(request.headers.get(LENGTH_HEADER), body)
    if length > settings.max_json_bytes:
        expected = f"{settings.max_json_bytes} bytes of JSON at most (max_json_bytes)"
        raise TooLargeError(f"body: expected {expected}, got {length}: send tensors as binary data")
    asked = decode(body, length)
    oip_outputs.check_names(wanted.name for wanted in asked.outputs)
    for name in asked.inputs:
        if name not in ("x", "lengths"):
            raise MessageError(f"inputs: expected x and lengths, got {name!r:.100}")
    return asked


def _rows(asked: InferRequest) -> int:
    return len(asked.inputs["x"]) if "x" in asked.inputs else 0


def _sequence(asked: InferRequest, model: str, version: str | None) -> Ask | None:
    """What a request says of its sequence; None: it has none."""
    parameters = asked.parameters
    found = parameters.get("sequence_id", 0)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise MessageError(f"sequence_id: expected a whole number or a string, got {found!r:.50}")
    if isinstance(found, int) and not 0 <= found < _MAX_ID:
        raise MessageError(f"sequence_id: expected 0 to {_MAX_ID - 1}, got {found}")
    start, end, restart = (_flag(parameters, f) for f in ("sequence_start", "sequence_end", "restart"))
    if not found:
        return None
    return Ask(model, version, "", str(found), start, end, restart, _threshold(parameters))


def _flag(parameters: Mapping[str, Any], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise MessageError(f"{name}: expected true or false, got {value!r:.50}")
    return value


def _threshold(parameters: Mapping[str, Any]) -> float | None:
    value = parameters.get("threshold")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise MessageError(f"threshold: expected a number in [0.5, 1], got {value!r:.50}")
    return value


# -- a batch of whole sequences


async def _batch(
    request: Request, server: ServerState, asked: InferRequest, model: str, version: str | None
) -> tuple[LoadedModel, tuple[bytes, int | None]]:
    server.auth.principal(request, "score")
    served = server.models.get(model, version)
    x, lengths = _input(asked, "x", np.float32), asked.inputs.get("lengths")
    if x is None:
        raise ShapeError("inputs: expected x, got none")
    if lengths is not None:
        lengths = _input(asked, "lengths", np.int64)
    names = [wanted.name for wanted in asked.outputs] or list(OUTPUTS)
    if x.ndim == 3:
        N, T, _ = x.shape
        K = served.bundle.info.outputs
        limit = server.settings.max_request_bytes
        oip_outputs.check_size(names, sequences=N, steps=T, outputs=K, limit=limit)

    def work() -> tuple[bytes, int | None]:
        scores = score_padded(served.runner.fork(), x, lengths, threshold=_threshold(asked.parameters))
        columns = zip(*scores, strict=True)
        _, t, y, wake = (list(column) for column in columns)
        reading = Reading(first=0, steps=x.shape[1], t=t, y=y, before=None, wake=np.array(wake, np.int64))
        return _answer(served, asked, reading, names)

    return served, await server.scoring.run(work)


def _input(asked: InferRequest, name: str, dtype: type[np.generic]) -> NDArray[Any] | None:
    array = asked.inputs.get(name)
    if array is not None and array.dtype != dtype:
        raise ShapeError(f"{name}: expected {np.dtype(dtype).name}, got {array.dtype.name}")
    return array


# -- a piece of a live sequence


async def _piece(
    request: Request, server: ServerState, asked: InferRequest, ask: Ask
) -> tuple[LoadedModel, tuple[bytes, int | None]]:
    ask = ask._replace(principal=server.auth.principal(request, "stream"))
    if "lengths" in asked.inputs:
        raise ShapeError("inputs: expected x alone in a sequence, got lengths")
    session, reading = await server.sequences.infer(ask, _input(asked, "x", np.float32))
    names = [wanted.name for wanted in asked.outputs] or list(OUTPUTS)
    return session.model, _answer(session.model, asked, reading, names)


# -- answers


def _answer(
    served: LoadedModel, asked: InferRequest, reading: Reading, names: Sequence[str]
) -> tuple[bytes, int | None]:
    head = {"model_name": served.name, "model_version": served.version}
    if asked.id:
        head["id"] = asked.id
    outputs: dict[str, Array] = oip_outputs.make(names, reading)
    if asked.outputs:
        binary = [wanted.name for wanted in asked.outputs if wanted.binary]
    else:
        binary = list(names) if asked.binary else []
    return encode(head, outputs, binary)


async def _respond(request: Request, body: bytes, length: int | None) -> Response:
    headers = {} if length is None else {LENGTH_HEADER: str(length)}
    kind = "application/json" if length is None else "application/octet-stream"
    accepted = {
        part.partition(";")[0].strip() for part in request.headers.get("accept-encoding", "").split(",")
    }
    encoding = next((name for name in ("gzip", "deflate") if name in accepted), None)
    if encoding is not None and len(body) >= _WORTH_COMPRESSING:
        body = await asyncio.to_thread(zlib.compress, body, 1, 31 if encoding == "gzip" else 15)
        headers["Content-Encoding"] = encoding
    return Response(body, media_type=kind, headers=headers)
