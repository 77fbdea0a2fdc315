"""Data of the dashboard besides the models: recordings, counters, and for an admin the table of streams."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.errors import StoreError, UnknownRecordingError
from skiprnn_service.routes import answers
from skiprnn_service.routes.parameters import Version
from skiprnn_service.state import ServerState
from skiprnn_service.streams.session import StreamSession

router = APIRouter()

_HERE = Path(__file__).parents[1]
# The browser client, as it is in client/js/src: beside the page in a wheel, else in the checkout.
CLIENT = next(
    (
        path
        for path in (_HERE / "page" / "client", _HERE.parents[1] / "client" / "js" / "src")
        if path.is_dir()
    ),
    _HERE / "page" / "client",
)

_CSV = {"text/csv": {"schema": {"type": "string"}}}

MOST_STREAMS = 200  # rows of the table
_ID_SHOWN = 8  # characters: a client that knows the id of a stream can take it over


@router.get("/v1/models/{model}/recording", response_class=Response, responses={200: {"content": _CSV}})
async def recording(request: Request, model: str, version: Version = None) -> Response:
    """Samples that came with a model, a row each, to try it on; a column `label` has the truth, if it is known."""
    server: ServerState = request.app.state.server
    server.auth.principal(request, "stream")
    served = server.models.get(model, version)
    if served.recording is None:
        raise UnknownRecordingError(
            f"model {served.name!r}, version {served.version}: no recording came with it"
        )
    return Response(served.recording, media_type="text/csv")


@router.get("/v1/counters")
async def counters(request: Request) -> answers.Counters:
    """Counts since the server started, model by model; `parked` is null while the store does not answer."""
    server: ServerState = request.app.state.server
    server.auth.principal(request, "stream")
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
            for engine in (model.engine for model in server.models)
        ],
        "parked": await _parked(server),
        "resumed": server.stats.resumed,
        "expired": server.store.expired,
        "draining": server.streams.draining,
    }


@router.get("/v1/streams")
async def streams(request: Request) -> answers.Streams:
    """For an admin: the live streams, the longest first, then the parked ones, the latest first."""
    server: ServerState = request.app.state.server
    server.auth.principal(request, "admin")
    live = sorted(server.streams, key=lambda session: -session.slot.samples)
    rows = [_live(session) for session in live[:MOST_STREAMS]]
    with suppress(StoreError):  # then show the live ones
        rows += [_parked_row(snapshot) for snapshot in await server.store.parked(MOST_STREAMS - len(rows))]
    return {"streams": rows, "live": len(live), "parked": await _parked(server)}


def _live(session: StreamSession) -> answers.StreamRow:
    stream, model = session.slot, session.model
    return {
        "state": "live",
        "model": model.name,
        "version": model.version,
        "wake": stream.wake,
        "samples": stream.samples,
        "updates": stream.updates,
        "next": stream.next,
        **_owned(stream.id),
    }


def _parked_row(snapshot: Snapshot) -> answers.StreamRow:
    at = snapshot.position
    return {
        "state": "parked",
        "model": snapshot.model,
        "version": snapshot.version,
        "wake": at.wake,
        "samples": at.samples,
        "updates": at.updates,
        "next": at.next,
        **_owned(snapshot.stream_id),
    }


def _owned(stream_id: str) -> answers.Owned:
    owner, _, own_id = stream_id.rpartition("/")  # as in the store
    shown = own_id if len(own_id) <= _ID_SHOWN else f"{own_id[:_ID_SHOWN]}…"
    return {"id": shown, "owner": unquote(owner)}


async def _parked(server: ServerState) -> int | None:
    try:
        return await server.store.count()
    except StoreError:
        return None
