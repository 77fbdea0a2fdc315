"""`POST /v1/models/{model}/score`: whole sequences at once, beside the streams (docs/reference/rest.md)."""

import contextlib
import io
import json
import tempfile
from asyncio import to_thread
from collections.abc import AsyncIterator
from typing import IO, BinaryIO, NamedTuple

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from skiprnn_service.models.repository import LoadedModel
from skiprnn_service.routes import answers, negotiation, request_body
from skiprnn_service.routes.counted import CountedRoute
from skiprnn_service.routes.parameters import Column, Columns, Gate, Version
from skiprnn_service.scoring.disk_space import enough_disk_space
from skiprnn_service.scoring.formats.base import Per
from skiprnn_service.scoring.formats.registry import FORMATS, needs_pyarrow
from skiprnn_service.scoring.formats.tables import require_pyarrow
from skiprnn_service.scoring.job import Job, Outcome, run
from skiprnn_service.scoring.scheduler import Lane, Stop
from skiprnn_service.scoring.spool import Share
from skiprnn_service.settings import Settings
from skiprnn_service.state import ServerState

WARNINGS_HEADER = "Skiprnn-Warnings"
SMALL = 1 << 20  # bytes of a body, and of an answer, that are held in memory

_ON_THREAD = (
    1 << 16
)  # bytes of JSON that are read on a thread: it holds the interpreter lock for about a millisecond
_CHUNK = 131_072  # bytes of a large body or answer between two turns of the streams

router = APIRouter(route_class=CountedRoute)


_SEQUENCE = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
_NAMED = {"type": "object", "required": ["x"], "properties": {"x": _SEQUENCE}}  # and id, and carried fields
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["sequences"],
                "properties": {
                    "sequences": {"type": "array", "minItems": 1, "items": {"anyOf": [_SEQUENCE, _NAMED]}},
                    "threshold": {"type": "number", "minimum": 0.5, "maximum": 1},
                },
                "additionalProperties": False,
            },
            "example": {"sequences": [[[0.0, 1.0, 0.0], [0.1, 0.9, 0.0]], [[0.0, 1.0, 0.2]]]},
        },
    }
    | {
        known.types[0]: {"schema": {"type": "string", "format": "binary"}}
        for name, known in FORMATS.items()
        if name != "json"
    },
}


@router.post(
    "/v1/models/{model}/score",
    openapi_extra={"requestBody": _BODY},
    responses={
        200: {
            "model": answers.Scores,
            "headers": {
                WARNINGS_HEADER: {"description": "JSON: array of sentences", "schema": {"type": "string"}}
            },
        }
    },
)
async def score_sequences(
    request: Request,
    model: str,
    version: Version = None,
    threshold: float | None = None,
    updates: bool = True,
    gate: Gate = None,
    per: Per = "sequence",
    sequence: Column = None,
    time: Column = None,
    carry: Columns = (),
) -> Response:
    """Score whole sequences, each to the same bits that a live stream of it gives.

    Body: sequences, in the format of Content-Type; by default JSON, `{"sequences": [[[F numbers], …], …]}`.
    Answer, in the format that Accept prefers: for every sequence its number of samples, its final output, and its
    updates with their outputs unless `updates=false`; or, as `per` says, a row an update or a sample.
    `sequence`, `time` and `carry` name columns of the body. Skiprnn-Warnings holds an array of sentences in JSON, where
    a column is left out that looks as if it should not be, or states another sample rate than the model's.
    With `gate=every_sample` the network updates at every sample.
    """
    server: ServerState = request.app.state.server
    server.auth.principal(request, "score")
    served = server.models.get(model, version)
    if threshold is not None:
        await to_thread(served.engine.check_threshold, threshold)
    job = msgspec.structs.replace(
        _job(request, served, threshold, updates, server.settings),
        every_sample=gate is not None,
        per=per,
        sequence=sequence,
        time=time,
        carry=tuple(name.strip() for some in carry for name in some.split(",") if name.strip()),
    )
    if needs_pyarrow(job.input_format, job.output_format):
        require_pyarrow()
    return await _answered(request, job, served, server)


async def _answered(request: Request, job: Job, served: LoadedModel, server: ServerState) -> Response:
    """Receive the body, score it, and answer."""
    with enough_disk_space(), contextlib.ExitStack() as until_sent:
        answer = _Answer(
            until_sent.enter_context(tempfile.SpooledTemporaryFile(SMALL)),
            until_sent.enter_context(server.scoring.spool.share()),
        )
        with contextlib.ExitStack() as until_scored:
            body = await _received(request, job.input_format, server, until_scored)
            outcome = await request_body.while_connected(request, _score(job, served, body, answer, server))
        served.engine.stats.add_scored(**outcome.totals._asdict())
        headers = {WARNINGS_HEADER: json.dumps(outcome.warnings)} if outcome.warnings else {}
        return await _sent(answer, FORMATS[job.output_format].types[0], headers, until_sent)


async def _sent(
    answer: "_Answer", media_type: str, headers: dict[str, str], until_sent: contextlib.ExitStack
) -> Response:
    """The response; one from a file takes over what is to be closed once it is sent."""
    size = await to_thread(_rewind, answer.file)
    answer.share.shrink(size)
    if size <= SMALL:
        return Response(await to_thread(answer.file.read), media_type=media_type, headers=headers)
    headers["Content-Length"] = str(size)
    return _FileResponse(answer.file, media_type, headers, sent=until_sent.pop_all())


def _job(
    request: Request, served: LoadedModel, threshold: float | None, updates: bool, settings: Settings
) -> Job:
    return Job(
        served.name,
        served.version,
        negotiation.input_format(request.headers.get("content-type")),
        negotiation.output_format(request.headers.get("accept")),
        threshold,
        updates,
        max_bytes=settings.max_request_bytes,
        max_output_bytes=settings.max_score_bytes,
    )


class _Body(NamedTuple):
    """A body: in memory while it is small, else in a file without a name. It waits in its lane's queue."""

    file: BinaryIO
    lane: Lane


class _Answer(NamedTuple):
    """Where the scores go: in memory while they are few. `share` is what they have of the disk."""

    file: IO[bytes]
    share: Share


async def _received(
    request: Request, format_name: str, server: ServerState, until_scored: contextlib.ExitStack
) -> _Body:
    """The body. What it takes of the queue and of the disk is given back at the end of the block."""
    scoring, settings = server.scoring, server.settings
    limits = {settings.max_score_bytes: "max_score_bytes", scoring.spool.max_bytes: "max_spool_bytes"}
    if FORMATS[format_name].in_memory:
        limits[settings.max_request_bytes] = "max_request_bytes"
    limit = min(limits)
    share = until_scored.enter_context(scoring.spool.share())
    held, size, file = list[bytes](), 0, None
    packed = request.headers.get("content-encoding", "identity") != "identity"
    async for chunk in request_body.chunks(request, limit=limit, setting=limits[limit]):
        held.append(chunk)
        size += len(chunk)
        if packed or file is not None:  # a few bytes of a client may become many
            await scoring.pace(len(chunk) if len(server.streams) else 0)
        if size > (SMALL if file is None else _CHUNK):
            if file is None:
                until_scored.enter_context(scoring.large.place())
                file = until_scored.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            share.grow(size)
            await to_thread(file.writelines, held)
            held, size = [], 0
    if file is None:
        until_scored.enter_context(scoring.small.place())
        return _Body(io.BytesIO(b"".join(held)), scoring.small)
    share.grow(size)
    await to_thread(file.writelines, held)
    await to_thread(file.seek, 0)
    return _Body(file, scoring.large)


async def _score(job: Job, served: LoadedModel, body: _Body, answer: _Answer, server: ServerState) -> Outcome:
    """Score on a thread what cannot hurt the server, all else in a process."""
    source, sink, lane = body.file, answer.file, body.lane
    async with lane.turn():
        free = SMALL + answer.share.grow_up_to(job.max_output_bytes)
        job = msgspec.structs.replace(job, spool_bytes=free)
        if not isinstance(source, io.BytesIO):
            return await lane.in_process(job, served.runner, source, sink)
        if _on_thread(job, source):
            stop = Stop(server.settings.scoring_cpu_seconds)
            runner = served.runner
            return await lane.run(lambda: run(job, runner.fork(), source, sink, check=stop), stop=stop)
        with tempfile.TemporaryFile() as file:
            await to_thread(_fill, file, source.getbuffer())
            return await lane.in_process(job, served.runner, file, sink)


def _on_thread(job: Job, source: io.BytesIO) -> bool:
    text = FORMATS[job.input_format].text and FORMATS[job.output_format].text
    return text and source.getbuffer().nbytes <= _ON_THREAD


def _fill(file: IO[bytes], data: memoryview) -> None:
    file.write(data)
    file.seek(0)


def _rewind(file: IO[bytes]) -> int:
    """Go to the beginning; returns the size."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


class _FileResponse(StreamingResponse):
    """Sends a file, even if the client does not take all of it.

    Args:
        sent: closed afterwards, and with it the file.
    """

    def __init__(
        self, file: IO[bytes], media_type: str, headers: dict[str, str], *, sent: contextlib.ExitStack
    ) -> None:
        super().__init__(self._chunks(), media_type=media_type, headers=headers)
        self._file, self._sent = file, sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._sent:
            await super().__call__(scope, receive, send)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while chunk := await to_thread(self._file.read, _CHUNK):
            yield chunk
