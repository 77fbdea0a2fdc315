"""`POST /v1/models/{model}/score`: whole sequences at once, beside the streams (docs/reference/rest.md)."""

import contextlib
import io
import logging
import tempfile
from asyncio import to_thread
from collections.abc import AsyncIterator
from typing import BinaryIO

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Send

from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import SkipRnnServiceError
from skiprnn_service.routes import request_body
from skiprnn_service.scoring.formats import KINDS, kind_of_answer, kind_of_body
from skiprnn_service.scoring.job import Job, run
from skiprnn_service.scoring.worker import problem
from skiprnn_service.state import ServerState

SMALL = 1 << 20  # bytes of a body that is scored on a thread of the server

_SPOOLED_AT_ONCE = 131_072  # bytes of a large body; then streams have their turn

_log = logging.getLogger(__name__)

router = APIRouter()


_ITEM = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["sequences"],
                "properties": {
                    "sequences": {"type": "array", "minItems": 1, "items": _ITEM},
                    "threshold": {"type": "number", "minimum": 0.5, "maximum": 1},
                },
                "additionalProperties": False,
            },
            "example": {"sequences": [[[0.0, 1.0, 0.0], [0.1, 0.9, 0.0]], [[0.0, 1.0, 0.2]]]},
        },
    }
    | {
        kind.types[0]: {"schema": {"type": "string", "format": "binary"}}
        for name, kind in KINDS.items()
        if name != "json"
    },
}


@router.post("/v1/models/{model}/score", openapi_extra={"requestBody": _BODY})
async def score_sequences(
    request: Request,
    model: str,
    version: str | None = None,
    threshold: float | None = None,
    updates: bool = True,
) -> Response:
    """Score whole sequences: each is read as a stream would read it, to the same bits.

    Body: sequences, of the kind that Content-Type says; by default JSON, `{"sequences": [[[F numbers], …], …]}`.
    Answer, of the kind that Accept asks for: for every sequence its number of samples, its final output, and its
    updates with their outputs unless `updates=false`.
    """
    server: ServerState = request.app.state.server
    server.auth.principal(request, "score")
    served = server.models.get(model, version)
    kind = kind_of_body(request.headers.get("content-type"))
    answer = kind_of_answer(request.headers.get("accept"))
    if threshold is not None:
        await to_thread(served.engine.check_threshold, threshold)
    job = Job(
        served.name,
        served.version,
        kind,
        answer,
        threshold,
        updates,
        max_bytes=server.settings.max_request_bytes,
    )
    media_type = KINDS[answer].types[0]
    source = await _received(request, kind, server)
    if isinstance(source, io.BytesIO):
        body = await server.scoring.run(lambda: _whole(job, served.runner.fork(), source))
        return Response(body, media_type=media_type)
    pieces = server.scoring.stream(job, served.runner, source)
    first = await anext(pieces)  # what goes wrong before is refused as it should be
    return _Streamed(_rest(first, pieces, answer), media_type=media_type)


async def _received(request: Request, kind: str, server: ServerState) -> BinaryIO:
    """The body: in memory while it is small, else in a file without a name."""
    setting = "max_request_bytes" if KINDS[kind].whole else "max_score_bytes"
    limit = getattr(server.settings, setting)
    held, size, file = list[bytes](), 0, None
    with contextlib.ExitStack() as unless_received:
        async for piece in request_body.pieces(request, limit=limit, setting=setting):
            held.append(piece)
            size += len(piece)
            if size > (SMALL if file is None else _SPOOLED_AT_ONCE):
                file = file or unless_received.enter_context(tempfile.TemporaryFile())
                await to_thread(file.writelines, held)
                await server.scoring.pace(size if len(server.streams) else 0)
                held, size = [], 0
        if file is None:
            return io.BytesIO(b"".join(held))
        await to_thread(file.writelines, held)
        await to_thread(file.seek, 0)
        unless_received.pop_all()
    return file


def _whole(job: Job, runner: StepRunner, source: BinaryIO) -> bytes:
    sink = io.BytesIO()
    run(job, runner, source, sink)
    return sink.getvalue()


class _Streamed(StreamingResponse):
    """An answer that goes wrong in the middle breaks off: nobody takes it for a whole one."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except SkipRnnServiceError as error:
            _log.warning("the answer with scores breaks off: %s", error)


async def _rest(first: bytes, pieces: AsyncIterator[bytes], answer: str) -> AsyncIterator[bytes]:
    """All pieces; in NDJSON an error in the middle is the last line."""
    yield first
    try:
        async for piece in pieces:
            yield piece
    except SkipRnnServiceError as error:
        if answer != "ndjson":
            raise
        yield problem(error) + b"\n"
