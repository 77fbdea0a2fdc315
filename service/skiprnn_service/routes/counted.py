"""Routes whose requests are counted: how many, how they ended, how long they took, how many are in flight."""

import time

from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from skiprnn_service.state import ServerState

_UNCAUGHT = 500  # of an exception that is none of ours: `app.py` answers it further out


class CountedRoute(APIRoute):
    """A route of `APIRouter(route_class=CountedRoute)`; the last part of its path, such as `score`, is its name."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """From the head of the request until all of the answer is sent."""
        server: ServerState = scope["app"].state.server
        requests = server.stats.requests[self.path.rpartition("/")[2]]
        status, started = _UNCAUGHT, time.perf_counter()

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        requests.in_flight += 1
        try:
            await super().handle(scope, receive, send_noting_status)
        finally:
            requests.in_flight -= 1
            requests.add(status, time.perf_counter() - started)
