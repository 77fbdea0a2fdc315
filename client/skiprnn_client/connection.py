"""One stream over one websocket, asynchronous."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Unpack

from numpy.typing import ArrayLike
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed

from skiprnn_client.base_connection import BaseConnection, expect
from skiprnn_client.errors import ClientError, ProtocolError, ServerError, missed_rejected
from skiprnn_client.handshake import (
    CLOSE_TIMEOUT_SECONDS,
    OPEN_ERRORS,
    OPEN_TIMEOUT_SECONDS,
    Options,
    address,
    closed,
    failure,
    socket_settings,
)
from skiprnn_client.messages import END, KEEPALIVE, RESET, Ended, GoAway, Ready, Reply, Saved, decode_ready


class _Question(NamedTuple):
    """A message that has not been answered."""

    kind: type[Reply] | type[Ended]
    answer: asyncio.Future[Any]

    def fail(self, error: ClientError) -> None:
        if not self.answer.done():  # cancelled
            self.answer.set_exception(error)
            self.answer.exception()  # an error that no caller waits for is no mistake


class Connection(BaseConnection):
    """A live stream: made by `connect`. Its methods may be called from several tasks of one event loop.

    Messages are sent in the order of the calls and answered in that order, so several may be in flight:

        replies = await asyncio.gather(*[connection.send(x) for x in chunks])
    """

    def __init__(self, socket: ClientConnection, ready: Ready, **options: Unpack[Options]) -> None:
        super().__init__(ready, encoding=options.get("encoding", "f32"))
        self._socket = socket
        self._unanswered: deque[_Question] = deque()
        self._over: ClientError | None = None
        self._reader = asyncio.create_task(self._read())

    async def send(self, x: ArrayLike, *, t: int | None = None) -> Reply:
        """Send samples and wait for the answer.

        Args:
            x: one sample [F] or several [n, F], raw units; sent as float32.
            t: index of the first; None: `next`. At most `wake`.

        Raises:
            SampleError: wrong shape or not finite; nothing was sent.
            ServerError: the server rejected the message; the stream is where it was before.
            StreamClosed: the connection ended first.
            ProtocolError: the server's answer is no reply; the connection is closed.
        """
        return await (await self.post(x, t=t))

    async def post(self, x: ArrayLike, *, t: int | None = None) -> asyncio.Future[Reply]:
        """Send samples without waiting for the answer, which the future returns. Arguments and errors as in `send`."""
        return await self._ask(self._message(x, t), Reply)

    async def missed(self, n: int = 1, *, t: int | None = None) -> Reply:
        """Tell the server that samples were missed, and wait for the answer.

        They do not exist for the network: an update that falls on one of them waits for the next sample that was not
        missed. The reply has no updates; its `wake` may be later.

        Args:
            n: samples in a row, at least 1.
            t: index of the first; None: `next`. At most `wake`.

        Raises:
            SampleError: n is less than 1; nothing was sent.
            ServerError: the server rejected the message; a server older than 0.2 does not know it.
            StreamClosed, ProtocolError: as in `send`.
        """
        answer = await self._ask(self._missed_message(n, t), Reply)
        try:
            return await answer  # type: ignore[no-any-return]
        except ServerError as error:
            raise missed_rejected(error) from None

    async def reset(self) -> None:
        """Start a new sequence, once everything sent so far is answered: its first sample is 0 again."""
        await asyncio.gather(*[question.answer for question in self._unanswered], return_exceptions=True)
        await self._write(RESET)
        self._rewind()

    async def keepalive(self) -> None:
        """Tell the server that the stream is alive while nothing needs sending."""
        await self._write(KEEPALIVE)

    async def end(self) -> Ended:
        """End the stream: the server deletes it and closes the connection. Returns its totals."""
        ended: Ended = await (await self._ask(END, Ended))
        return ended

    async def close(self) -> None:
        """Close the connection. The server parks a stream that was not ended; its `stream_id` resumes it."""
        await close_socket(self._socket)
        await self._reader

    async def _ask(self, message: bytes | str, kind: type[Reply] | type[Ended]) -> asyncio.Future[Any]:
        question = _Question(kind, asyncio.get_running_loop().create_future())
        self._unanswered.append(question)
        await self._write(message)
        return question.answer

    async def _write(self, message: bytes | str) -> None:
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            await self._reader
            raise self._over or closed(error) from None

    async def _read(self) -> None:
        """Hand every answer to its question, until the connection ends."""
        try:
            while True:
                self._deliver(await self._socket.recv())
        except ConnectionClosed as error:
            self._over = closed(error)
        except ClientError as error:
            self._over = error
            await close_socket(self._socket, 1002 if isinstance(error, ProtocolError) else 1000)
        finally:
            for question in self._unanswered:
                question.fail(self._over or ClientError("the connection was closed by the client"))

    def _deliver(self, data: bytes | str) -> None:
        answer = self._decoded(data)
        if answer is None or isinstance(answer, GoAway | Saved):
            return
        if not self._unanswered:
            raise ProtocolError(f"an answer to nothing: {answer!r:.200}")
        question = self._unanswered[0]
        if isinstance(answer, ServerError):
            question.fail(answer)
        elif not question.answer.done():
            question.answer.set_result(expect(question.kind, answer))
        self._unanswered.popleft()


@asynccontextmanager
async def connect(url: str, **options: Unpack[Options]) -> AsyncIterator[Connection]:
    """Open a stream: `async with connect("ws://localhost:8000/v1/models/watch/stream") as connection: …`.

    Leaving the block closes the connection; call `end` first to end the stream.

    Args:
        url: ws, wss, http or https.
        options: stream_id, encoding, threshold, version, api_key, headers, ssl (see `Options`).

    Raises:
        ConnectionFailed: no websocket server answered at the address.
        ConnectionRejected: the server rejected the connection with an HTTP status.
    """
    async with opened(url, options) as (socket, ready):
        connection = Connection(socket, ready, **options)
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def opened(url: str, options: Options) -> AsyncIterator[tuple[ClientConnection, Ready]]:
    """A websocket and the server's first message. Errors as `connect`."""
    try:
        socket = await open_socket(address(url, options), **socket_settings(options))
    except OPEN_ERRORS as error:
        raise failure(error, url) from error
    try:
        yield socket, await _ready(socket, url)
    finally:
        await close_socket(socket)


async def close_socket(socket: ClientConnection, code: int = 1000) -> None:
    """Close the connection; a server that does not answer is not waited for longer than the timeout."""
    try:
        # Not websockets' close_timeout: that does not cover the wait until all that was sent has gone out.
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await socket.close(code)
    except TimeoutError:
        socket.transport.abort()
        await socket.wait_closed()


async def _ready(socket: ClientConnection, url: str) -> Ready:
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
            return decode_ready(await socket.recv())
    except OPEN_ERRORS as error:
        raise failure(error, url) from error
