"""A TCP proxy whose connections break on demand, a few bytes into whatever comes next: in the middle of a frame."""

import asyncio
import contextlib
import random
from threading import Event, Thread
from types import TracebackType
from typing import Self

_WHOLE = float("inf")  # bytes that a connection may pass on
_A_FEW = 40  # bytes that still come through


class BreakingProxy:
    """Passes connections on to a port of this machine, for the length of the block.

    Attributes:
        port: where it listens.
        broken: connections that it broke.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._budgets: dict[int, float] = {}  # connection → bytes that may still pass
        self._connections = self.broken = self.port = 0
        self._started = Event()
        self._loop: asyncio.AbstractEventLoop
        self._thread = Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = self._loop
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        self._thread.join(30)

    def cut(self, rng: random.Random) -> None:
        """Break all connections that there are."""
        self._loop.call_soon_threadsafe(self._cut, [rng.randrange(_A_FEW) for _ in range(64)])

    def _cut(self, budgets: list[int]) -> None:
        for number, (connection, left) in enumerate(self._budgets.items()):
            if left == _WHOLE:  # one that breaks already stays broken: no byte may come behind a lost one
                self._budgets[connection] = budgets[number % len(budgets)]

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve_forever()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        self._budgets[number] = _WHOLE
        ends = [writer]
        try:
            up, down = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(down)
            pipes = [
                asyncio.create_task(self._pipe(*pair, number)) for pair in ((reader, down), (up, writer))
            ]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            for pipe in pipes:
                pipe.cancel()
        except OSError:  # the server is away
            pass
        finally:
            del self._budgets[number]
            for end in ends:
                end.transport.abort()  # a reset, as when a network goes away

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                left = self._budgets[number]
                data = data[: int(min(left, len(data)))]
                self._budgets[number] -= len(data)
                writer.write(data)
                await writer.drain()
                if self._budgets[number] <= 0:
                    self.broken += 1
                    return
