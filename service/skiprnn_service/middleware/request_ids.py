"""Every request has an id: the one that its client or proxy sent (`X-Request-ID`), or a new one. It is in every log
line of the request and in its response.

asgi-correlation-id does the same for HTTP, but adds the header to no websocket handshake."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skiprnn_service.telemetry.logs import request_id

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[A-Za-z0-9._:-]{1,128}")  # other characters could forge log lines


class RequestIds:
    """ASGI middleware for requests and websocket handshakes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        own = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        request_id.set(own)

        async def send_with_id(message: Message) -> None:
            if message["type"].endswith((".response.start", ".accept")):
                MutableHeaders(scope=message)[HEADER] = own
            await send(message)

        await self.app(scope, receive, send_with_id)
