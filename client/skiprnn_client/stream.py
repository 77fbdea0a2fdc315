"""Samples in, updates out, asynchronous."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Unpack, cast

from numpy.typing import ArrayLike

from skiprnn_client.connection import Connection, connect
from skiprnn_client.handshake import Options
from skiprnn_client.messages import Floats, Reply, Update
from skiprnn_client.samples import Blocks

WINDOW = 16  # messages on their way where nothing is left out

Samples = Iterable[ArrayLike] | AsyncIterable[ArrayLike]
ReadNow = Callable[[int], ArrayLike | None]
Read = ReadNow | Callable[[int], Awaitable[ArrayLike | None]]


async def stream(
    url: str,
    samples: Samples,
    *,
    wake: bool = True,
    window: int | None = None,
    chunk: int | None = None,
    start: int | None = None,
    end: bool = True,
    **options: Unpack[Options],
) -> AsyncGenerator[Update, None]:
    """Stream samples and yield the updates as they come.

    Every update is exact whatever the settings: they trade messages against waiting.

        async for update in stream("ws://localhost:8000/v1/models/watch/stream", samples):
            print(update.t, update.label)

    Args:
        samples: samples [F] or blocks of them [n, F], raw units. An array [T, F] is T samples, one by one. An
            iterable that waits for its samples blocks the event loop: make it asynchronous.
        wake: leave out samples that will not be read, as far as replies have told.
        window: messages that may be on their way. With 1 no sample is sent in vain, and each update costs a round trip;
            more hide the round trip and send some samples that are then skipped. None: 1 with wake, else 16.
        chunk: samples a message; None: as `samples` yields them.
        start: index of the first sample; None: where the stream stands. Samples that a resumed stream knows already
            may be given again; they change nothing.
        end: end the stream after the last sample; False parks it, to be resumed by its `stream_id`.
        options: stream_id, encoding, threshold, version (see `Options`).

    Raises:
        SampleError, ServerError, StreamClosed, Unreachable, Refused: see `skiprnn_client.errors`.
    """
    async with connect(url, **options) as connection:
        connection.next = connection.next if start is None else start
        blocks = Blocks(connection.ready, chunk=chunk, t=connection.next)
        replies: asyncio.Queue[asyncio.Future[Reply] | None] = asyncio.Queue()
        room = asyncio.Semaphore(window_size(window, wake=wake))
        pump = asyncio.create_task(_pump(connection, _blocks(samples, blocks), replies, room, wake=wake))
        try:
            while (answer := await replies.get()) is not None:
                reply = await answer
                room.release()
                for update in reply.updates:
                    yield update
            await pump
        finally:
            pump.cancel()
            await asyncio.wait([pump])
        if end:
            await connection.end()


async def stream_from(
    url: str,
    read: Read,
    *,
    end: bool = True,
    **options: Unpack[Options],
) -> AsyncGenerator[Update, None]:
    """Fetch only the samples that the network reads: for a camera, a CNN, a sensor that sleeps.

    Args:
        read: read(t) → sample t [F], or None when there are no more. Called with the index of the next sample that
            will be read; it waits until that sample exists. A plain function runs in a thread.
        end, options, Raises: see `stream`.
    """
    async with connect(url, **options) as connection:
        while (x := await _call(read, connection.next_needed)) is not None:
            reply = await connection.send(x, t=connection.next_needed)
            for update in reply.updates:
                yield update
        if end:
            await connection.end()


def window_size(window: int | None, *, wake: bool) -> int:
    """Messages that may be on their way. Raises ValueError: less than 1."""
    if window is not None and window < 1:
        raise ValueError(f"window: expected at least 1, got {window}")
    return window or (1 if wake else WINDOW)


async def _pump(
    connection: Connection,
    blocks: AsyncIterator[Floats],
    replies: asyncio.Queue[asyncio.Future[Reply] | None],
    room: asyncio.Semaphore,
    *,
    wake: bool,
) -> None:
    """Send what must be sent, then None. Room first: the reply that makes room may tell of a later wake."""
    try:
        async for block in blocks:
            await room.acquire()
            needless = connection.leave_out(len(block)) if wake else 0
            if needless == len(block):
                room.release()
            else:
                replies.put_nowait(await connection.post(block[needless:]))
    finally:
        replies.put_nowait(None)


async def _blocks(samples: Samples, blocks: Blocks) -> AsyncIterator[Floats]:
    async for x in _each(samples):
        for block in blocks.push(x):
            yield block
    for block in blocks.rest():
        yield block


async def _each(samples: Samples) -> AsyncIterator[ArrayLike]:
    if isinstance(samples, AsyncIterable):
        async for x in samples:
            yield x
    else:
        for x in samples:
            yield x


async def _call(read: Read, t: int) -> ArrayLike | None:
    if inspect.iscoroutinefunction(read):
        return cast("ArrayLike | None", await read(t))
    return await asyncio.to_thread(cast(ReadNow, read), t)
