"""uvicorn, set up for streams: our websocket protocol class, no access log, and a drain before the end."""

import logging
import os
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from skiprnn_service.app import create_app
from skiprnn_service.service import Service
from skiprnn_service.settings import Settings

_CLOSE_SECONDS = 5  # for connections that are left after the drain


class Server(uvicorn.Server):
    """Stops by draining: no new connections, then every stream is told, parked and closed (1012).

    Args:
        app: from `create_app`.
        config: with that application.
        on_started: called with the port, once it listens.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config, *, on_started: Callable[[int], None]) -> None:
        super().__init__(config)
        self._app, self._on_started = app, on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        service: Service = self._app.state.service
        if not self.force_exit:
            await service.streams.drain(service.settings.drain_seconds)
        await super().shutdown(sockets)


def serve(settings: Settings, *, on_started: Callable[[int], None] = lambda _: None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Blocking.

    Raises:
        SystemExit: the port is taken, or the application could not start; the log says why.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default, and read at import
    make_server(settings, on_started=on_started).run()


def make_server(settings: Settings, *, on_started: Callable[[int], None] = lambda _: None) -> Server:
    """A server that does not run yet."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ws=_websocket_class(settings),
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=settings.ping_interval_seconds,
        ws_ping_timeout=settings.ping_timeout_seconds,
        ws_per_message_deflate=False,  # costs 26 to 59 µs a message and twice the memory
        access_log=False,
        log_level=settings.log_level,
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s:     %(name)s: %(message)s")
    return Server(app, config, on_started=on_started)


def _websocket_class(settings: Settings) -> "type | str":
    if settings.websocket == "asgi":
        return "websockets-sansio"
    from skiprnn_service.wire import StreamProtocol

    return StreamProtocol
