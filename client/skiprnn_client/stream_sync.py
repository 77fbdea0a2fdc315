"""Samples in, updates out, in plain synchronous code."""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Unpack

from numpy.typing import ArrayLike

from skiprnn_client.handshake import Options
from skiprnn_client.messages import Floats, Update
from skiprnn_client.samples import Blocks
from skiprnn_client.stream import window_size
from skiprnn_client.sync_connection import connect_sync


def stream_sync(
    url: str,
    samples: Iterable[ArrayLike],
    *,
    wake: bool = True,
    window: int | None = None,
    chunk: int | None = None,
    start: int | None = None,
    end: bool = True,
    **options: Unpack[Options],
) -> Generator[Update, None, None]:
    """`stream` without asyncio; see there for arguments and errors.

    One thread sends, waits and asks `samples` for more. So with a window above 1 the last updates come only when the
    next sample does: for live samples keep the default.
    """
    with connect_sync(url, **options) as connection:
        connection.next = connection.next if start is None else start
        window = window_size(window, wake=wake)
        for block in _blocks(samples, Blocks(connection.ready, chunk=chunk, t=connection.next)):
            needless = connection.leave_out(len(block)) if wake else 0
            if needless == len(block):
                continue
            connection.post(block[needless:])
            while connection.in_flight >= window:
                yield from connection.receive().updates
        while connection.in_flight:
            yield from connection.receive().updates
        if end:
            connection.end()


def stream_from_sync(
    url: str, read: Callable[[int], ArrayLike | None], *, end: bool = True, **options: Unpack[Options]
) -> Generator[Update, None, None]:
    """`stream_from` without asyncio; see there for arguments and errors."""
    with connect_sync(url, **options) as connection:
        while (x := read(connection.next_needed)) is not None:
            yield from connection.send(x, t=connection.next_needed).updates
        if end:
            connection.end()


def _blocks(samples: Iterable[ArrayLike], blocks: Blocks) -> Iterator[Floats]:
    for x in samples:
        yield from blocks.push(x)
    yield from blocks.rest()
