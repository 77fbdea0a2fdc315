"""Samples in, updates out, asynchronous."""

import asyncio
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from typing import Unpack, cast

from numpy.typing import ArrayLike

from skiprnn_client.dialer import Dialer, Resume
from skiprnn_client.exactly_once import ExactlyOnce
from skiprnn_client.handshake import Options
from skiprnn_client.messages import Floats, Ready, Update
from skiprnn_client.samples import Blocks, NewSequence, as_samples
from skiprnn_client.session import OnReady, Session

WINDOW = 16  # messages on their way where nothing is left out

Sample = ArrayLike | NewSequence
Samples = Iterable[Sample] | AsyncIterable[Sample]
ReadNow = Callable[[int], Sample | None]
Read = ReadNow | Callable[[int], Awaitable[Sample | None]]


async def stream(
    url: str | Sequence[str],
    samples: Samples,
    *,
    wake: bool = True,
    window: int | None = None,
    chunk: int | None = None,
    start: int | None = None,
    end: bool = True,
    resume: Resume | None = Resume(),  # noqa: B008 - frozen
    on_ready: OnReady | None = None,
    **options: Unpack[Options],
) -> AsyncGenerator[Update, None]:
    """Stream samples and yield each update once, in order, whatever breaks on the way.

    Every update is exact whatever the settings: they trade messages against waiting.

        async for update in stream("ws://localhost:8000/v1/models/watch/stream", samples):
            print(update.t, update.label)

    Args:
        url: of a server, or of several with the same store: when one is lost the others are tried.
        samples: samples [F] or blocks of them [n, F], raw units. An array [T, F] is T samples, one by one. An
            iterable that waits for its samples blocks the event loop: make it asynchronous. NEW_SEQUENCE among them
            begins another sequence.
        wake: leave out samples that will not be read, as far as replies have told.
        window: messages that may be on their way. With 1 no sample is sent in vain, and each update costs a round trip;
            more hide the round trip and send some samples that are then skipped. None: 1 with wake, else 16. A stream
            that can be resumed has no more samples on their way than the server repeats updates (32), or one message.
        chunk: samples a message; None: as `samples` yields them.
        start: index of the first sample; None: where the stream stands. Samples that a resumed stream knows already
            may be given again; they change nothing.
        end: end the stream after the last sample; False parks it, to be resumed by its `stream_id`.
        resume: how to go on after a lost connection; None: do not, raise StreamClosed.
        on_ready: called with what the server says first, each time a connection is made.
        options: stream_id, encoding, threshold, version, api_key, headers, ssl (see `Options`).

    Raises:
        SampleError, ServerError, StreamClosed, StreamLost, Unsaved, Unreachable, Refused: see `skiprnn_client.errors`.
    """

    async def pump(session: Session) -> None:
        core = session.core
        core.next = core.next if start is None else start
        encoding = options.get("encoding", "f32")
        blocks = Blocks(_ready(core), encoding=encoding, chunk=chunk, t=core.next)
        async for block in _blocks(samples, blocks):
            await _put(session, block)
        await _finish(session, end=end)

    core, dialer = prepared(url, options, window=window_size(window, wake=wake), wake=wake, resume=resume)
    session = Session(core, dialer, options, pump=pump, on_ready=on_ready)
    async with aclosing(session.updates()) as updates:
        async for update in updates:
            yield update


async def stream_from(
    url: str | Sequence[str],
    read: Read,
    *,
    end: bool = True,
    resume: Resume | None = Resume(),  # noqa: B008 - frozen
    on_ready: OnReady | None = None,
    **options: Unpack[Options],
) -> AsyncGenerator[Update, None]:
    """Fetch only the samples that the network reads: for a camera, a CNN, a sensor that sleeps.

    The other arguments and the errors are those of `stream`.

    Args:
        read: read(t) → sample t [F], or None when there are no more. Called with the index of the next sample that
            will be read; it waits until that sample exists. A plain function runs in a thread.
    """

    async def pump(session: Session) -> None:
        core = session.core
        while (x := await _call(read, core.next_needed)) is not None:
            core.next = core.next_needed
            await _put(
                session,
                x if isinstance(x, NewSequence) else as_samples(x, _ready(core).features, t=core.next),
            )
            await session.until(lambda: core.quiet)
        await _finish(session, end=end)

    core, dialer = prepared(url, options, window=1, resume=resume)
    session = Session(core, dialer, options, pump=pump, on_ready=on_ready)
    async with aclosing(session.updates()) as updates:
        async for update in updates:
            yield update


def prepared(
    url: str | Sequence[str], options: Options, *, window: int, wake: bool = True, resume: Resume | None
) -> tuple[ExactlyOnce, Dialer]:
    """The two parts that know no sockets."""
    dialer = Dialer(url, resume)
    encoding = options.get("encoding", "f32")
    several = len(dialer.urls) > 1
    core = ExactlyOnce(encoding=encoding, window=window, wake=wake, resume=resume, elsewhere=several)
    return core, dialer


def window_size(window: int | None, *, wake: bool) -> int:
    """Messages that may be on their way. Raises ValueError: less than 1."""
    if window is not None and window < 1:
        raise ValueError(f"window: expected at least 1, got {window}")
    return window or (1 if wake else WINDOW)


async def _put(session: Session, block: Floats | NewSequence) -> None:
    """Room first: the reply that makes room may tell of a later wake."""
    core = session.core
    if isinstance(block, NewSequence):
        await session.until(lambda: core.quiet)
        core.reset()
    else:
        await session.until(lambda: core.room)
        core.put(block)
    session.changed()


async def _finish(session: Session, *, end: bool) -> None:
    core = session.core
    await session.until(lambda: core.quiet)
    if end:
        core.end()
        session.changed()
        return
    core.settle()
    session.changed()
    await session.until(lambda: core.quiet)
    await session.leave()


def _ready(core: ExactlyOnce) -> Ready:
    assert core.ready is not None, "the pump starts once the first connection is open"
    return core.ready


async def _blocks(samples: Samples, blocks: Blocks) -> AsyncIterator[Floats | NewSequence]:
    async for x in _each(samples):
        for block in blocks.take(x):
            yield block
    for block in blocks.rest():
        yield block


async def _each(samples: Samples) -> AsyncIterator[Sample]:
    if isinstance(samples, AsyncIterable):
        async for x in samples:
            yield x
    else:
        for x in samples:
            yield x


async def _call(read: Read, t: int) -> Sample | None:
    if inspect.iscoroutinefunction(read):
        return cast("Sample | None", await read(t))
    return await asyncio.to_thread(cast(ReadNow, read), t)
