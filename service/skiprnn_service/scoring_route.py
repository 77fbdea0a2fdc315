"""`POST /v1/models/{model}/score`: whole sequences at once, beside the streams."""

import asyncio
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from skiprnn_service.errors import MessageError
from skiprnn_service.scoring import Score, score
from skiprnn_service.service import Service

router = APIRouter()


class Sequences(msgspec.Struct, forbid_unknown_fields=True):
    """The body: sequences [T_i, F] each, raw units; threshold of the gate, None the model's."""

    sequences: Annotated[list[list[list[float]]], msgspec.Meta(min_length=1)]
    threshold: float | None = None


_decode = msgspec.json.Decoder(Sequences).decode


@router.post("/v1/models/{model}/score")
async def score_sequences(request: Request, model: str, version: str | None = None) -> Response:
    """Score whole sequences: each is read as a stream would read it, to the same bits.

    Body: `{"sequences": [[[F numbers], …], …], "threshold": …}`. Answer: for every sequence its number of samples, its
    updates with their outputs, and the final output.
    """
    service: Service = request.app.state.service
    service.auth.principal(request, "score")
    served = service.models.get(model, version)
    try:
        body = _decode(await request.body())
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageError(f'body: expected {{"sequences": [[[F numbers], …], …]}}: {error}') from None
    scores = await asyncio.to_thread(score, served.session.fork(), body.sequences, threshold=body.threshold)
    said = {"model": served.name, "version": served.version, "scores": [_said(one) for one in scores]}
    return Response(msgspec.json.encode(said), media_type="application/json")


def _said(one: Score) -> dict[str, Any]:
    updates = [{"t": t, "y": y} for t, y in zip(one.t.tolist(), one.y.tolist(), strict=True)]
    return {"samples": one.samples, "updates": updates, "y": updates[-1]["y"]}
