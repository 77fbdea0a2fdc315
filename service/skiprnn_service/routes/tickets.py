"""`POST /v1/tickets`: credentials of browsers, which cannot send headers with a websocket."""

from fastapi import APIRouter, Request

from skiprnn_service.auth.tickets import TICKET_SECONDS
from skiprnn_service.routes import answers
from skiprnn_service.state import ServerState

router = APIRouter()


_EXAMPLE = {"ticket": "eyJhbGciOiJIUzI1NiJ9…", "expires_in_seconds": TICKET_SECONDS}


@router.post("/v1/tickets", responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}})
async def make_ticket(request: Request) -> answers.Ticket:
    """A ticket that opens one stream within a minute: `…/stream?ticket=…`. Needs the scope `stream`."""
    server: ServerState = request.app.state.server
    return {"ticket": server.auth.ticket(request), "expires_in_seconds": TICKET_SECONDS}
