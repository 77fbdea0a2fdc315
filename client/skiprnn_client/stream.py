"""Samples in, updates out, asynchronous."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Unpack, cast

from numpy.typing import ArrayLike

from skiprnn_client.deprecated import take
from skiprnn_client.driver import Driver, OnReady
from skiprnn_client.handshake import Options
from skiprnn_client.messages import Ready, Update
from skiprnn_client.reconnect import Reconnect
from skiprnn_client.resumable_stream import ResumableStream
from skiprnn_client.retry import DEFAULT_RETRY, OnRetry, RetryPolicy
from skiprnn_client.samples import Block, Blocks, Missed, NewSequence, as_samples

WINDOW = 16  # messages in flight where no sample is left out

Sample = ArrayLike | NewSequence | Missed
Samples = Iterable[Sample | None] | AsyncIterable[Sample | None]
ReadNow = Callable[[int], Sample | None]
Read = ReadNow | Callable[[int], Awaitable[Sample | None]]


class StreamOptions(Options, total=False):
    """`Options`, and a name of the release before.

    Attributes:
        resume: deprecated; `retry`.
    """

    resume: RetryPolicy | None


async def stream(
    url: str | Sequence[str],
    samples: Samples,
    *,
    wake: bool = True,
    window: int | None = None,
    chunk: int | None = None,
    start: int | None = None,
    end: bool = True,
    retry: RetryPolicy | None = DEFAULT_RETRY,
    on_ready: OnReady | None = None,
    on_retry: OnRetry | None = None,
    **options: Unpack[StreamOptions],
) -> AsyncGenerator[Update, None]:
    """Stream samples and yield each update exactly once, in order, across lost connections.

    The updates are the same whatever the settings: those trade the number of messages against latency.

        async for update in stream("ws://localhost:8000/v1/models/watch/stream", samples):
            print(update.t, update.label)

    Args:
        url: of a server, or of several with the same store: when one is lost the others are tried.
        samples: samples [F] or blocks of them [n, F], raw units. An array [T, F] is T samples, one by one. An
            iterable that waits for its samples blocks the event loop: make it asynchronous. NEW_SEQUENCE among them
            starts another sequence; MISSED, or None, is a sample that the sensor missed: an update that falls on it
            waits for the next one.
        wake: leave out samples that the network skips, as far as replies have said.
        window: messages that may be in flight. With 1 no skipped sample is sent, and each update costs a round trip;
            more hide the round trip and send some samples that are then skipped. None: 1 with wake, else 16. A stream
            that can be resumed has no more samples in flight than the server repeats updates (32), or one message.
        chunk: samples a message; None: as `samples` yields them.
        start: index of the first sample; None: the stream's position. Samples that a resumed stream has already
            processed may be given again; they change nothing.
        end: end the stream after the last sample; False parks it, to be resumed by its `stream_id`.
        retry: how to continue after a lost connection; None: raise StreamClosed instead.
        on_ready: called with the server's first message on every connection.
        on_retry: called before the wait for each further try to connect, with its number, the seconds until it is made,
            and the reason.
        options: stream_id, encoding, threshold, version, api_key, headers, ssl (see `Options`).

    Raises:
        SampleError, ServerError, StreamClosed, StreamLost, BufferFullError, ConnectionFailed, ConnectionRejected: see
            `skiprnn_client.errors`.
    """

    async def pump(driver: Driver) -> None:
        core = driver.core
        core.next = core.next if start is None else start
        encoding = options.get("encoding", "f32")
        blocks = Blocks(_ready(core), encoding=encoding, chunk=chunk, t=core.next)
        async for block in _blocks(samples, blocks):
            await driver.put(block)
        await driver.finish(end=end)

    core, reconnect = prepared(url, options, window=window_size(window, wake=wake), wake=wake, retry=retry)
    driver = Driver(core, reconnect, options, pump=pump, on_ready=on_ready, on_retry=on_retry)
    async with aclosing(driver.updates()) as updates:
        async for update in updates:
            yield update


async def stream_from(
    url: str | Sequence[str],
    read: Read,
    *,
    end: bool = True,
    retry: RetryPolicy | None = DEFAULT_RETRY,
    on_ready: OnReady | None = None,
    on_retry: OnRetry | None = None,
    **options: Unpack[StreamOptions],
) -> AsyncGenerator[Update, None]:
    """Fetch only the samples that the network updates on: for a camera, a CNN, a sensor that sleeps.

    The other arguments and the errors are those of `stream`.

    Args:
        read: read(t) → sample t [F], MISSED where the sensor missed it, or None when there are no more. Called with the
            index of the next update; it waits until that sample exists. A plain function runs in a thread.
    """

    async def pump(driver: Driver) -> None:
        core = driver.core
        while (x := await _call(read, core.next_needed)) is not None:
            core.next = core.next_needed
            await driver.put(as_block(x, _ready(core), t=core.next))
            await driver.until(lambda: core.idle)
        await driver.finish(end=end)

    core, reconnect = prepared(url, options, window=1, retry=retry)
    driver = Driver(core, reconnect, options, pump=pump, on_ready=on_ready, on_retry=on_retry)
    async with aclosing(driver.updates()) as updates:
        async for update in updates:
            yield update


def prepared(
    url: str | Sequence[str],
    options: StreamOptions,
    *,
    window: int,
    wake: bool = True,
    retry: RetryPolicy | None,
) -> tuple[ResumableStream, Reconnect]:
    """The two sans-IO parts of a stream."""
    retry = take(cast("dict[str, Any]", options), "resume", "retry", retry, default=DEFAULT_RETRY)
    reconnect = Reconnect(url, retry)
    encoding = options.get("encoding", "f32")
    several = len(reconnect.urls) > 1
    core = ResumableStream(encoding=encoding, window=window, wake=wake, retry=retry, elsewhere=several)
    return core, reconnect


def window_size(window: int | None, *, wake: bool) -> int:
    """Messages that may be in flight. Raises ValueError: less than 1."""
    if window is not None and window < 1:
        raise ValueError(f"window: expected at least 1, got {window}")
    return window or (1 if wake else WINDOW)


def as_block(x: Sample, ready: Ready, *, t: int) -> Block | NewSequence:
    """What `read` returned, as the core takes it."""
    return x if isinstance(x, NewSequence | Missed) else as_samples(x, ready.features, t=t)


def _ready(core: ResumableStream) -> Ready:
    assert core.ready is not None, "the pump starts once the first connection is open"
    return core.ready


async def _blocks(samples: Samples, blocks: Blocks) -> AsyncIterable[Block | NewSequence]:
    async for x in _each(samples):
        for block in blocks.take(x):
            yield block
    for block in blocks.rest():
        yield block


async def _each(samples: Samples) -> AsyncIterable[Sample | None]:
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
