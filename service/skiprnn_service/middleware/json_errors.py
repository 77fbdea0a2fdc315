"""Errors in plain text are answered as all others are: starlette's for ranges of files and for CORS preflights."""

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class JsonErrors:
    """ASGI middleware: a text/plain response with a status of 400 or more has the body {"error", "code"} instead."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message = {}  # of an error in plain text, until its body is there
        text = b""

        async def send_json(message: Message) -> None:
            nonlocal start, text
            if message["type"] == "http.response.start" and _is_plain_error(message):
                start = message
            elif not start:
                await send(message)
            else:
                text += message.get("body", b"")
                if not message.get("more_body", False):
                    await _response(start, text)(scope, receive, send)

        await self.app(scope, receive, send_json)


def _is_plain_error(start: Message) -> bool:
    return start["status"] >= 400 and MutableHeaders(scope=start).get("content-type", "").startswith(
        "text/plain"
    )


def _response(start: Message, text: bytes) -> JSONResponse:
    status, headers = start["status"], MutableHeaders(scope=start)
    phrase = HTTPStatus(status).phrase
    error = {"error": text.decode(errors="replace") or phrase, "code": phrase.lower().replace(" ", "_")}
    rest = {name: value for name, value in headers.items() if name not in ("content-type", "content-length")}
    return JSONResponse(error, status, rest)
