"""A TCP proxy that breaks connections after a random number of bytes, in the middle of a frame as a rule."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import NamedTuple

_HANDSHAKE = 4500  # bytes: headers and `ready` come through as a rule


class Proxy(NamedTuple):
    """Attributes:
    cuts: one number a connection that was broken: bytes that went through it.
    """

    port: int
    cuts: list[int]


@contextmanager
def cutting_proxy(port: int, *, cuts: int, longest: int, seed: int = 0) -> Iterator[Proxy]:
    """Pass connections on to a port of this machine, and break the first so many.

    Args:
        cuts: connections to break; later ones are left alone.
        longest: bytes that come through in both directions before the break, at most, after the handshake.
    """
    rng, done = random.Random(seed), list[int]()
    started, loops = Event(), list[asyncio.AbstractEventLoop]()
    ports: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        budget = _Budget(_HANDSHAKE + rng.randrange(longest) if len(done) < cuts else None)
        done.append(budget.left) if budget.left is not None else None
        up, down = await asyncio.open_connection("127.0.0.1", port)
        pipes = [asyncio.create_task(_pipe(*ends, budget)) for ends in ((reader, down), (up, writer))]
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for pipe in pipes:
            pipe.cancel()
        for end in (writer, down):
            end.transport.abort()  # a reset, as when a network goes away

    async def run() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        loops.append(asyncio.get_running_loop())
        started.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve_forever()

    thread = Thread(target=asyncio.run, args=(run(),))
    thread.start()
    started.wait(30)
    try:
        yield Proxy(ports[0], done)
    finally:
        loop = loops[0]
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join(30)


class _Budget:
    """Bytes that may still pass; None: as many as come."""

    def __init__(self, left: int | None) -> None:
        self.left = left


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: _Budget) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            if budget.left is not None:
                data = data[: budget.left]
                budget.left -= len(data)
            writer.write(data)
            await writer.drain()
            if budget.left == 0:
                return
