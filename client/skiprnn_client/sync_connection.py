"""The same without asyncio: one stream over one websocket, in the caller's thread."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Unpack

from numpy.typing import ArrayLike
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from skiprnn_client.errors import ClientError, ProtocolError, ServerError
from skiprnn_client.handshake import (
    OPEN_ERRORS,
    OPEN_TIMEOUT_SECONDS,
    Options,
    address,
    closed,
    failure,
    socket_settings,
)
from skiprnn_client.messages import END, KEEPALIVE, RESET, Ended, GoAway, Ready, Reply, Saved, decode_ready
from skiprnn_client.position import Position
from skiprnn_client.tls_socket import TlsContext


class SyncConnection(Position):
    """A live stream: made by `connect_sync`. For one thread.

    `send` is `post` and then `receive`. To have several messages on their way, post them all and receive as often.
    """

    def __init__(self, socket: ClientConnection, ready: Ready, **options: Unpack[Options]) -> None:
        super().__init__(ready, encoding=options.get("encoding", "f32"))
        self._socket = socket
        self.in_flight = 0

    def send(self, x: ArrayLike, *, t: int | None = None) -> Reply:
        """Send samples and wait for the answer. Arguments and errors: see `Connection.send`."""
        self._expect_quiet("send")
        self.post(x, t=t)
        return self.receive()

    def post(self, x: ArrayLike, *, t: int | None = None) -> None:
        """Send samples; `receive` takes the answer."""
        self._ask(self._message(x, t))

    def receive(self) -> Reply:
        """The answer to the oldest message that is not yet answered. Waits for it. Errors as in `send`."""
        answer = self._answer()
        if not isinstance(answer, Reply):
            raise ProtocolError(f"expected a reply, got {answer!r:.200}")
        return answer

    def reset(self) -> None:
        """Start a new sequence: its first sample is 0 again. Nothing may be in flight."""
        self._expect_quiet("reset")
        self._write(RESET)
        self._rewind()

    def keepalive(self) -> None:
        """Tell the server that the stream is alive while nothing needs sending."""
        self._write(KEEPALIVE)

    def end(self) -> Ended:
        """End the stream: the server forgets it and closes the connection. Nothing may be in flight."""
        self._expect_quiet("end")
        self._ask(END)
        answer = self._answer()
        if not isinstance(answer, Ended):
            raise ProtocolError(f"expected 'closed', got {answer!r:.200}")
        return answer

    def close(self) -> None:
        """Leave. A stream that was not ended is parked, and resumed by its `stream_id`."""
        self._socket.close()

    def _expect_quiet(self, what: str) -> None:
        if self.in_flight:
            raise ClientError(f"{what}: {self.in_flight} messages are not answered yet; receive() first")

    def _ask(self, message: bytes | str) -> None:
        self._write(message)
        self.in_flight += 1

    def _write(self, message: bytes | str) -> None:
        try:
            self._socket.send(message)
        except ConnectionClosed as error:
            self._hear_last_words()
            raise closed(error) from None

    def _hear_last_words(self) -> None:
        """A fatal error comes just before the close frame: raise it, if one is there."""
        try:
            while True:
                self._settle(self._socket.recv())
        except ConnectionClosed:
            return

    def _answer(self) -> Reply | Ended:
        while True:
            try:
                answer = self._settle(self._socket.recv())
            except ConnectionClosed as error:
                raise closed(error) from None
            if answer is None or isinstance(answer, GoAway | Saved):
                continue
            self.in_flight -= 1
            if isinstance(answer, ServerError):
                raise answer
            return answer


@contextmanager
def connect_sync(url: str, **options: Unpack[Options]) -> Iterator[SyncConnection]:
    """Open a stream: `with connect_sync("ws://localhost:8000/v1/models/watch/stream") as connection: …`.

    Arguments and errors: see `connect`.
    """
    with opened_sync(url, options) as (socket, ready):
        yield SyncConnection(socket, ready, **options)


@contextmanager
def opened_sync(url: str, options: Options) -> Iterator[tuple[ClientConnection, Ready]]:
    """A websocket and what the server said first. Errors as `connect`."""
    with ExitStack() as stack:
        try:
            socket = stack.enter_context(open_socket(address(url, options), **_settings(url, options)))
            ready = decode_ready(socket.recv(OPEN_TIMEOUT_SECONDS))
        except OPEN_ERRORS as error:
            raise failure(error, url) from error
        yield socket, ready


def _settings(url: str, options: Options) -> dict[str, Any]:
    settings = socket_settings(options)
    if address(url, options).startswith("wss:"):
        settings["ssl"] = TlsContext(options.get("ssl") or ssl.create_default_context())
    return settings
