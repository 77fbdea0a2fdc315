"""The same without asyncio: one stream over as many connections as it takes, in the caller's thread."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from skiprnn_client.dialer import Dialer
from skiprnn_client.errors import ClientError, StreamClosed
from skiprnn_client.exactly_once import ExactlyOnce
from skiprnn_client.handshake import Options, closed, moving, resuming
from skiprnn_client.messages import Ready, Update
from skiprnn_client.session import OnReady, log
from skiprnn_client.sync_connection import opened_sync


class SyncSession:
    """Runs a stream; leaving the block closes its connection. A broken one is noticed when it is used next."""

    def __init__(
        self, core: ExactlyOnce, dialer: Dialer, options: Options, *, on_ready: OnReady | None
    ) -> None:
        self.core, self._dialer, self._options, self._on_ready = core, dialer, options, on_ready
        self._connection = ExitStack()
        self._socket: ClientConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def start(self) -> Generator[Update, None, Ready]:
        """Connect for the first time."""
        yield from self._connect()
        assert self.core.ready is not None
        return self.core.ready

    def until(self, condition: Callable[[], bool]) -> Iterator[Update]:
        """Send what there is to send, and receive until something is so."""
        self._send()
        while not condition():
            yield from self._receive()
            self._send()

    def finish(self, *, end: bool) -> Iterator[Update]:
        """Everything is put in."""
        core = self.core
        yield from self.until(lambda: core.quiet)
        if end:
            core.end()
            yield from self.until(lambda: core.over)
        else:
            core.settle()
            yield from self.until(lambda: core.quiet)

    def _connect(self) -> Iterator[Update]:
        while True:
            try:
                opening = opened_sync(self._dialer.url, self._options)
                self._socket, ready = self._connection.enter_context(opening)
                break
            except ClientError as error:
                seconds = self._dialer.failed(error)
                log.info("%s; next try in %.1f s", error, seconds)
                time.sleep(seconds)
        self._dialer.opened()
        updates = self.core.connected(ready)
        self._options = resuming(self._options, ready)
        if self._on_ready is not None:
            self._on_ready(ready)
        yield from updates

    def _send(self) -> None:
        assert self._socket is not None
        try:
            for message in self.core.outgoing():
                self._socket.send(message)
        except ConnectionClosed:
            return  # receiving says why

    def _receive(self) -> Iterator[Update]:
        assert self._socket is not None
        try:
            if self.core.leaving:
                raise moving()
            data = self._socket.recv()
        except ConnectionClosed as error:
            yield from self._again(closed(error))
            return
        updates = self.core.received(data)
        self._dialer.heard()
        yield from updates

    def _again(self, error: StreamClosed) -> Iterator[Update]:
        self._connection.close()
        self.core.lost(error)
        log.info("stream %s: %s; connecting again", self._options.get("stream_id"), error)
        time.sleep(self._dialer.lost(error))
        yield from self._connect()
