"""`POST /v2/models/M[/versions/V]/infer` of the Open Inference Protocol v2 (docs/reference/oip.md).

Without a sequence_id a request is a batch of whole sequences, scored beside the streams; with one it is the next chunk
of a live sequence, on the engine of the websocket's streams.
"""

import asyncio
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
from skiprnn_service.oip.outputs import OUTPUTS, InferResult
from skiprnn_service.oip.sequences import SequenceRequest
from skiprnn_service.oip.statistics import Phases
from skiprnn_service.oip.tensors import LENGTH_HEADER as LENGTH_HEADER
from skiprnn_service.oip.tensors import Array, InferRequest, decode, encode, json_length
from skiprnn_service.routes import answers, negotiation, request_body
from skiprnn_service.routes.counted import CountedRoute
from skiprnn_service.routes.parameters import Version
from skiprnn_service.scoring.job import Totals
from skiprnn_service.scoring.scheduler import Stop
from skiprnn_service.scoring.score import score_padded
from skiprnn_service.settings import Settings
from skiprnn_service.state import ServerState

_WORTH_COMPRESSING = 1024  # bytes
_MAX_ID = 2**64  # sequence ids are uint64, or strings

router = APIRouter(route_class=CountedRoute)


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


_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_DOCUMENTED: Any = {
    "openapi_extra": {"requestBody": _BODY},
    "responses": {200: {"model": answers.Inference, "content": _BYTES}},
}


class _Answer(NamedTuple):
    """An answer: bytes, how many of them are JSON (None: all), nanoseconds in the queue and in encoding."""

    body: bytes
    json_length: int | None
    output_ns: int
    queue_ns: int = 0


@router.post("/v2/models/{model}/infer", **_DOCUMENTED)
@router.post("/v2/models/{model}/versions/{version}/infer", **_DOCUMENTED)
async def infer(request: Request, model: str, version: Version = None) -> Response:
    """Score a batch of whole sequences, or take the next chunk of a live sequence."""
    server: ServerState = request.app.state.server
    _check_known(request, server)
    body = await _body(request, server)
    started = time.perf_counter_ns()
    infer_request = _decoded(request, body, server.settings)
    sequence = _sequence(infer_request, model, version)
    input_ns = time.perf_counter_ns() - started
    try:
        if sequence is None:
            served, answer = await _batch(request, server, infer_request, model, version)
        else:
            served, answer = await _chunk(request, server, infer_request, sequence)
    except SkipRnnServiceError:
        server.oip_stats.of(server.models.get(model, version)).failed += 1
        raise
    infer_ns = time.perf_counter_ns() - started - input_ns - answer.queue_ns - answer.output_ns
    phases = Phases(answer.queue_ns, input_ns, infer_ns, answer.output_ns)
    server.oip_stats.add(served, rows=_rows(infer_request), phases=phases)
    return await _respond(request, answer.body, answer.json_length)


def _check_known(request: Request, server: ServerState) -> None:
    """Reject a client without either scope before it sends its body, which decides which of them it needs."""
    try:
        server.auth.principal(request, "score")
    except ForbiddenError:
        server.auth.principal(request, "stream")


async def _body(request: Request, server: ServerState) -> bytes:
    limit, admit = server.settings.max_request_bytes, server.scoring.small.place
    return await request_body.read(request, limit=limit, setting="max_request_bytes", admit=admit)


def _decoded(request: Request, body: bytes, settings: Settings) -> InferRequest:
    length = json_length(request.headers.get(LENGTH_HEADER), body)
    if length > settings.max_json_bytes:
        expected = f"{settings.max_json_bytes} bytes of JSON at most (max_json_bytes)"
        raise TooLargeError(f"body: expected {expected}, got {length}: send tensors as binary data")
    infer_request = decode(body, length)
    oip_outputs.check_names(output.name for output in infer_request.outputs)
    for name in infer_request.inputs:
        if name not in ("x", "lengths"):
            raise MessageError(f"inputs: expected x and lengths, got {name!r:.100}")
    return infer_request


def _rows(infer_request: InferRequest) -> int:
    return len(infer_request.inputs["x"]) if "x" in infer_request.inputs else 0


def _sequence(infer_request: InferRequest, model: str, version: str | None) -> SequenceRequest | None:
    """The sequence that a request is of; None: it is a batch."""
    parameters = infer_request.parameters
    sequence_id = parameters.get("sequence_id", 0)
    if isinstance(sequence_id, bool) or not isinstance(sequence_id, int | str):
        raise MessageError(f"sequence_id: expected a whole number or a string, got {sequence_id!r:.50}")
    if isinstance(sequence_id, int) and not 0 <= sequence_id < _MAX_ID:
        raise MessageError(f"sequence_id: expected 0 to {_MAX_ID - 1}, got {sequence_id}")
    start, end, restart = (_flag(parameters, f) for f in ("sequence_start", "sequence_end", "restart"))
    if not sequence_id:
        return None
    return SequenceRequest(model, version, "", str(sequence_id), start, end, restart, _threshold(parameters))


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
    request: Request, server: ServerState, infer_request: InferRequest, model: str, version: str | None
) -> tuple[LoadedModel, _Answer]:
    server.auth.principal(request, "score")
    served = server.models.get(model, version)
    x, lengths = _input(infer_request, "x", np.float32), infer_request.inputs.get("lengths")
    if x is None:
        raise ShapeError("inputs: expected x, got none")
    if lengths is not None:
        lengths = _input(infer_request, "lengths", np.int64)
    names = [output.name for output in infer_request.outputs] or list(OUTPUTS)
    if x.ndim == 3:
        N, T, _ = x.shape
        K = served.bundle.info.outputs
        limit = server.settings.max_request_bytes
        oip_outputs.check_size(names, sequences=N, steps=T, outputs=K, limit=limit)

    queued, stop = time.perf_counter_ns(), Stop(server.settings.scoring_cpu_seconds)

    def work() -> tuple[Totals, _Answer]:
        queue_ns = time.perf_counter_ns() - queued
        threshold = _threshold(infer_request.parameters)
        scores = score_padded(served.runner.fork(), x, lengths, threshold=threshold, check=stop)
        totals = Totals.of(scores)
        columns = zip(*scores, strict=True)
        _, t, y, wake = (list(column) for column in columns)
        result = InferResult(first=0, steps=x.shape[1], t=t, y=y, before=None, wake=np.array(wake, np.int64))
        return totals, _answer(served, infer_request, result, names)._replace(queue_ns=queue_ns)

    scoring = server.scoring.run(work, stop=stop)
    totals, answer = await request_body.while_connected(request, scoring)
    served.engine.stats.add_scored(**totals._asdict())
    return served, answer


def _input(infer_request: InferRequest, name: str, dtype: type[np.generic]) -> NDArray[Any] | None:
    array = infer_request.inputs.get(name)
    if array is not None and array.dtype != dtype:
        raise ShapeError(f"{name}: expected {np.dtype(dtype).name}, got {array.dtype.name}")
    return array


# -- a chunk of a live sequence


async def _chunk(
    request: Request, server: ServerState, infer_request: InferRequest, sequence: SequenceRequest
) -> tuple[LoadedModel, _Answer]:
    sequence = sequence._replace(principal=server.auth.principal(request, "stream"))
    if "lengths" in infer_request.inputs:
        raise ShapeError("inputs: expected x alone in a sequence, got lengths")
    session, result = await server.sequences.infer(sequence, _input(infer_request, "x", np.float32))
    names = [output.name for output in infer_request.outputs] or list(OUTPUTS)
    return session.model, _answer(session.model, infer_request, result, names)


# -- answers


def _answer(
    served: LoadedModel, infer_request: InferRequest, result: InferResult, names: Sequence[str]
) -> _Answer:
    started = time.perf_counter_ns()
    head = {"model_name": served.name, "model_version": served.version}
    if infer_request.id:
        head["id"] = infer_request.id
    outputs: dict[str, Array] = oip_outputs.make(names, result)
    if infer_request.outputs:
        binary = [output.name for output in infer_request.outputs if output.binary]
    else:
        binary = list(names) if infer_request.binary else []
    body, json_length = encode(head, outputs, binary)
    return _Answer(body, json_length, time.perf_counter_ns() - started)


async def _respond(request: Request, body: bytes, length: int | None) -> Response:
    headers = {} if length is None else {LENGTH_HEADER: str(length)}
    media_type = "application/json" if length is None else "application/octet-stream"
    encoding = negotiation.content_encoding(request.headers.get("accept-encoding"))
    if encoding is not None and len(body) >= _WORTH_COMPRESSING:
        body = await asyncio.to_thread(zlib.compress, body, 1, 31 if encoding == "gzip" else 15)
        headers["Content-Encoding"] = encoding
    return Response(body, media_type=media_type, headers=headers)
