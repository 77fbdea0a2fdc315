"""One stream over one websocket, synchronous: the socket belongs to a `LoopThread`, all else happens in the caller."""

from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, Unpack

from numpy.typing import ArrayLike
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from skiprnn_client.base_connection import BaseConnection, expect
from skiprnn_client.connection import close_socket, opened
from skiprnn_client.errors import ClientError, ServerError, StreamClosed, missed_rejected
from skiprnn_client.handshake import Options, closed, closed_here
from skiprnn_client.loop_thread import LoopThread, Work
from skiprnn_client.messages import END, KEEPALIVE, RESET, Ended, GoAway, Ready, Reply, Saved

T = TypeVar("T")


class SyncConnection(BaseConnection):
    """A live stream: made by `connect_sync`. For one thread; another one may close it.

    `send` is `post` and then `receive`. To have several messages in flight, post them all and receive as often.

    Attributes:
        in_flight: messages that have not been answered.
    """

    def __init__(
        self, loop: LoopThread, socket: ClientConnection, ready: Ready, **options: Unpack[Options]
    ) -> None:
        super().__init__(ready, encoding=options.get("encoding", "f32"))
        self._loop, self._socket = loop, socket
        self.in_flight = 0

    def send(self, x: ArrayLike, *, t: int | None = None) -> Reply:
        """Send samples and wait for the answer. Arguments and errors: see `Connection.send`."""
        self._expect_idle("send")
        return expect(Reply, self._answer(self._message(x, t)))

    def post(self, x: ArrayLike, *, t: int | None = None) -> None:
        """Send samples; `receive` takes the answer."""
        self._write(self._message(x, t))
        self.in_flight += 1

    def receive(self) -> Reply:
        """Wait for the answer to the oldest message that has none. Errors as in `send`."""
        return expect(Reply, self._answer(None))

    def missed(self, n: int = 1, *, t: int | None = None) -> Reply:
        """Tell the server that samples were missed. Arguments and errors: see `Connection.missed`."""
        self._expect_idle("missed")
        try:
            return expect(Reply, self._answer(self._missed_message(n, t)))
        except ServerError as error:
            raise missed_rejected(error) from None

    def reset(self) -> None:
        """Start a new sequence: its first sample is 0 again. Nothing may be in flight."""
        self._expect_idle("reset")
        self._write(RESET)
        self._rewind()

    def keepalive(self) -> None:
        """Tell the server that the stream is alive while nothing needs sending."""
        self._write(KEEPALIVE)

    def end(self) -> Ended:
        """End the stream: the server deletes it and closes the connection. Nothing may be in flight."""
        self._expect_idle("end")
        return expect(Ended, self._answer(END))

    def close(self) -> None:
        """Close the connection. The server parks a stream that was not ended; its `stream_id` resumes it."""
        with suppress(CancelledError):  # closed already
            self._loop.call(close_socket, self._socket)

    def _expect_idle(self, method: str) -> None:
        if self.in_flight:
            unanswered = f"{self.in_flight} messages are not answered yet"
            raise ClientError(f"{method}: {unanswered}; call receive() first")

    def _write(self, message: bytes | str) -> None:
        try:
            self._call(self._socket.send, message)
        except StreamClosed:
            with suppress(StreamClosed):
                while True:  # a fatal error comes just before the close frame
                    self._decoded(self._call(self._socket.recv))
            raise

    def _answer(self, question: bytes | str | None) -> Reply | Ended:
        """The next answer. A question is sent first, in the same visit to the other thread."""
        self.in_flight += question is not None
        while True:
            answer = self._decoded(self._call(_exchange, self._socket, question))
            question = None
            if answer is None or isinstance(answer, GoAway | Saved):
                continue
            self.in_flight -= 1
            if isinstance(answer, ServerError):
                raise answer
            return answer

    def _call(self, work: Work[T], *arguments: Any) -> T:
        try:
            return self._loop.call(work, *arguments)
        except ConnectionClosed as error:
            self.in_flight = 0  # they will not be answered
            raise closed(error) from None
        except CancelledError:
            self.in_flight = 0
            raise closed_here() from None


async def _exchange(socket: ClientConnection, question: bytes | str | None) -> bytes | str:
    if question is not None:
        with suppress(ConnectionClosed):  # receiving raises it too, after the last messages
            await socket.send(question)
    return await socket.recv()


@contextmanager
def connect_sync(url: str, **options: Unpack[Options]) -> Iterator[SyncConnection]:
    """Open a stream: `with connect_sync("ws://localhost:8000/v1/models/watch/stream") as connection: …`.

    Arguments and errors: see `connect`.
    """
    with LoopThread() as loop:
        yield SyncConnection(loop, *loop.enter(opened(url, options)), **options)
