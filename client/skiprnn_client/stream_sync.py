"""Samples in, updates out, synchronous."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Unpack

from skiprnn_client.driver import OnReady
from skiprnn_client.messages import Update
from skiprnn_client.retry import DEFAULT_RETRY, OnRetry, RetryPolicy
from skiprnn_client.samples import Block, Blocks, NewSequence
from skiprnn_client.stream import Sample, StreamOptions, as_block, prepared, window_size
from skiprnn_client.sync_driver import SyncDriver


def stream_sync(
    url: str | Sequence[str],
    samples: Iterable[Sample | None],
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
) -> Generator[Update, None, None]:
    """`stream` without asyncio; see there for arguments and errors.

    `samples`, `on_ready` and `on_retry` run in the caller's thread; a thread of the generator's own connects, sends and
    receives. While `samples` waits, the caller gets no updates: with a window above 1 the last ones come only with the
    next sample, so for live samples keep the default.
    """
    core, reconnect = prepared(url, options, window=window_size(window, wake=wake), wake=wake, retry=retry)
    with SyncDriver(core, reconnect, options, on_ready=on_ready, on_retry=on_retry) as driver:
        ready = yield from driver.start()
        t = ready.next if start is None else start
        blocks = Blocks(ready, encoding=options.get("encoding", "f32"), chunk=chunk, t=t)
        for block in _blocks(samples, blocks):
            after = 0 if isinstance(block, NewSequence) else t + len(block)
            if not wake or after > driver.wake or isinstance(block, NewSequence):
                yield from driver.put(block, t=t)
            t = after
            if driver.over:
                return
        yield from driver.finish(t=t, end=end)


def stream_from_sync(
    url: str | Sequence[str],
    read: Callable[[int], Sample | None],
    *,
    end: bool = True,
    retry: RetryPolicy | None = DEFAULT_RETRY,
    on_ready: OnReady | None = None,
    on_retry: OnRetry | None = None,
    **options: Unpack[StreamOptions],
) -> Generator[Update, None, None]:
    """`stream_from` without asyncio; see there for arguments and errors. `read` runs in the caller's thread."""
    core, reconnect = prepared(url, options, window=1, retry=retry)
    with SyncDriver(core, reconnect, options, on_ready=on_ready, on_retry=on_retry) as driver:
        ready = yield from driver.start()
        t = ready.next
        while not driver.over and (x := read(needed := max(t, driver.wake))) is not None:
            block = as_block(x, ready, t=needed)
            yield from driver.put(block, t=needed)
            t = 0 if isinstance(block, NewSequence) else needed + len(block)
        yield from driver.finish(t=t, end=end)


def _blocks(samples: Iterable[Sample | None], blocks: Blocks) -> Iterator[Block | NewSequence]:
    for x in samples:
        yield from blocks.take(x)
    yield from blocks.rest()
