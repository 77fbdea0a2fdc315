"""What the page at / asks for besides the models: counters for everybody, the table of streams for an admin."""

from typing import Any

from fastapi import APIRouter, Request

from skiprnn_service.errors import StoreError
from skiprnn_service.service import Service
from skiprnn_service.streams import Lease

router = APIRouter()

MOST_STREAMS = 200  # rows of the table
_ID_SHOWN = 8  # characters: whoever knows an id that the server made can take the stream over


@router.get("/v1/counters")
async def counters(request: Request) -> dict[str, Any]:
    """Counts since the server started, model by model; `parked` is null while the store does not answer."""
    service: Service = request.app.state.service
    service.auth.principal(request, "stream")
    return {
        "models": [
            {
                "name": engine.model,
                "version": engine.version,
                "live": engine.live,
                "messages": engine.stats.messages,
                "samples": engine.stats.samples,
                "updates": engine.stats.updates,
            }
            for engine in (model.engine for model in service.models)
        ],
        "parked": await _parked(service),
        "resumed": service.stats.resumed,
        "expired": service.store.expired,
        "draining": service.streams.draining,
    }


@router.get("/v1/streams")
async def streams(request: Request) -> dict[str, Any]:
    """For an admin: the streams that are live here, the longest first, and how many are parked."""
    service: Service = request.app.state.service
    service.auth.principal(request, "admin")
    leases = list(service.streams)
    leases.sort(key=lambda lease: -lease.stream.samples)
    return {
        "streams": [_row(lease) for lease in leases[:MOST_STREAMS]],
        "live": len(leases),
        "parked": await _parked(service),
    }


def _row(lease: Lease) -> dict[str, Any]:
    stream = lease.stream
    return {
        "id": lease.id if len(lease.id) <= _ID_SHOWN else f"{lease.id[:_ID_SHOWN]}…",
        "state": "live",
        "model": lease.model.name,
        "version": lease.model.version,
        "samples": stream.samples,
        "updates": stream.updates,
        "next": stream.next,
        "wake": stream.wake,
        "resumed": lease.resumed,
    }


async def _parked(service: Service) -> int | None:
    try:
        return await service.store.count()
    except StoreError:
        return None
