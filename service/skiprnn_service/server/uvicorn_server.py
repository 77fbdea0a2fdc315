"""uvicorn, set up for streams: our websocket protocol class, no access log, and a drain before the end."""

import asyncio
import errno
import gc
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence

import uvicorn
from fastapi import FastAPI

from skiprnn_service.app import create_app
from skiprnn_service.auth.authenticator import Authenticator
from skiprnn_service.engine.onnx_runtime import check_device
from skiprnn_service.models.repository import read_digests
from skiprnn_service.server.http_protocol import http_protocol
from skiprnn_service.settings import Settings, readable_file
from skiprnn_service.state import ServerState, store_of
from skiprnn_service.stores import check_store
from skiprnn_service.telemetry import logs

OnStarted = Callable[[int, Sequence[str]], None]

_log = logging.getLogger(__name__)

_CLOSE_SECONDS = 5  # for connections that are left after the drain
_COLLECT_AFTER = 50_000  # objects: a batch in flight holds tens of thousands, and none of them is garbage
_SWITCH_SECONDS = 0.0002  # a step that ends on the worker thread waits so long for the interpreter lock


class Server(uvicorn.Server):
    """Stops by draining: no new connections, then every stream gets go_away, is parked and closed (1012).

    Args:
        app: from `create_app`.
        config: with that application.
        on_started: called with the port and the names of the served models, once it listens.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config, *, on_started: OnStarted) -> None:
        super().__init__(config)
        self._app, self._on_started = app, on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        state: ServerState = self._app.state.server
        self._on_started(self.servers[0].sockets[0].getsockname()[1], sorted(state.models.models))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        state: ServerState = self._app.state.server
        if not self.force_exit:
            await state.streams.drain(state.settings.drain_seconds)
        await super().shutdown(sockets)


def serve(settings: Settings, *, on_started: OnStarted = lambda *_: None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Blocking.

    Raises:
        OSError: the port is taken.
        SystemExit: the application could not start; the log has the reason.
        StoreError: the store cannot be written. And what `make_server` raises.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default, and read at import
    logs.configure(settings.log_level, settings.log_format)

    def started(port: int, models: Sequence[str]) -> None:
        _settle_process()
        on_started(port, models)

    server = make_server(settings, on_started=started)
    _check_port(settings.host, settings.port)
    asyncio.run(check_store(store_of(settings)))
    server.run()


def _settle_process() -> None:
    """Exclude what lives as long as the server from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 10)
    sys.setswitchinterval(_SWITCH_SECONDS)


def make_server(settings: Settings, *, on_started: OnStarted = lambda *_: None) -> Server:
    """A server that does not run yet.

    Raises:
        ValueError: it would listen on a non-loopback address without authentication; or the model folder, the
            store's URL or a file of keys is not valid.
        OSError: a file of keys cannot be read.
        ModelError: the device is cuda, and this onnxruntime does not support it.
    """
    _check_exposure(settings)
    _check_what_will_be_opened(settings)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=http_protocol(settings),
        ws=_websocket_class(settings),
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=settings.ping_interval_seconds,
        ws_ping_timeout=settings.ping_timeout_seconds,
        ws_per_message_deflate=False,  # costs 26 to 59 µs a message and twice the memory
        access_log=False,
        log_config=None,
        log_level=settings.log_level,
        server_header=False,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
    )
    _load_certificate(config)
    return Server(app, config, on_started=on_started)


def _load_certificate(config: uvicorn.Config) -> None:
    """Here rather than at the start: an error of OpenSSL names no file."""
    try:
        config.load()
    except OSError as error:
        files = f"{config.ssl_certfile} and {config.ssl_keyfile or config.ssl_certfile}"
        raise ValueError(
            f"ssl_certfile, ssl_keyfile: expected a certificate and its key (PEM) in {files}: {error}"
        ) from None


def _check_exposure(settings: Settings) -> None:
    if settings.api_keys_file or settings.jwks_file or _is_loopback(settings.host):
        return
    if not settings.allow_unauthenticated:
        raise ValueError(
            f"host: {settings.host!r} is not a loopback address, and authentication is off; "
            "set api_keys_file, jwks_file or allow_unauthenticated"
        )
    _log.warning("without authentication any client of %s may stream, score and unload models", settings.host)


def _check_what_will_be_opened(settings: Settings) -> None:
    """Raise before the start what the application would raise during it."""
    if not settings.models_dir.is_dir():
        raise ValueError(f"models_dir: expected a folder, found none at {settings.models_dir}")
    if settings.ssl_keyfile and not settings.ssl_certfile:
        raise ValueError("ssl_keyfile: expected a certificate too (ssl_certfile), got none")
    for name in ("ssl_certfile", "ssl_keyfile"):
        path = getattr(settings, name)
        if path and not path.is_file():
            raise ValueError(f"{name}: expected a PEM file, found none at {path}")
    Authenticator.of(settings)
    if settings.allowed_digests:
        with readable_file("allowed_digests"):
            read_digests(settings.allowed_digests)
    if settings.device == "cuda":
        check_device(settings.device)
    store_of(settings)


def _check_port(host: str, port: int) -> None:
    """Raise before the models are loaded what uvicorn would log afterwards."""
    try:
        for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio does
                probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = f"--port {port + 1 if port < 65535 else 8000}, or --port 0 for a free one"
            raise OSError(f"port {port} of {host} is taken: {free}") from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def _websocket_class(settings: Settings) -> type:
    from skiprnn_service.server.websocket_protocol import AsgiProtocol, StreamProtocol

    return AsgiProtocol if settings.websocket_impl == "asgi" else StreamProtocol
