"""Samples in, updates out, in plain synchronous code."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Unpack

from skiprnn_client.dialer import Resume
from skiprnn_client.handshake import Options
from skiprnn_client.messages import Floats, Ready, Update
from skiprnn_client.samples import Blocks, NewSequence, as_samples
from skiprnn_client.session import OnReady
from skiprnn_client.session_sync import SyncSession
from skiprnn_client.stream import Sample, prepared, window_size


def stream_sync(
    url: str | Sequence[str],
    samples: Iterable[Sample],
    *,
    wake: bool = True,
    window: int | None = None,
    chunk: int | None = None,
    start: int | None = None,
    end: bool = True,
    resume: Resume | None = Resume(),  # noqa: B008 - frozen
    on_ready: OnReady | None = None,
    **options: Unpack[Options],
) -> Generator[Update, None, None]:
    """`stream` without asyncio; see there for arguments and errors.

    One thread sends, waits and asks `samples` for more. So with a window above 1 the last updates come only when the
    next sample does: for live samples keep the default. While `samples` waits, nothing keeps the connection alive: a
    stream that is silent for the server's `idle_timeout_seconds` is parked, and resumed by the next sample.
    """
    core, dialer = prepared(url, options, window=window_size(window, wake=wake), wake=wake, resume=resume)
    with SyncSession(core, dialer, options, on_ready=on_ready) as session:
        ready = yield from session.start()
        core.next = core.next if start is None else start
        blocks = Blocks(ready, encoding=options.get("encoding", "f32"), chunk=chunk, t=core.next)
        for block in _blocks(samples, blocks):
            yield from _put(session, block)
        yield from session.finish(end=end)


def stream_from_sync(
    url: str | Sequence[str],
    read: Callable[[int], Sample | None],
    *,
    end: bool = True,
    resume: Resume | None = Resume(),  # noqa: B008 - frozen
    on_ready: OnReady | None = None,
    **options: Unpack[Options],
) -> Generator[Update, None, None]:
    """`stream_from` without asyncio; see there for arguments and errors."""
    core, dialer = prepared(url, options, window=1, resume=resume)
    with SyncSession(core, dialer, options, on_ready=on_ready) as session:
        ready = yield from session.start()
        while (x := read(core.next_needed)) is not None:
            core.next = core.next_needed
            yield from _put(session, x if isinstance(x, NewSequence) else _sample(x, ready, core.next))
        yield from session.finish(end=end)


def _sample(x: Sample, ready: Ready, t: int) -> Floats:
    assert not isinstance(x, NewSequence)
    return as_samples(x, ready.features, t=t)


def _put(session: SyncSession, block: Floats | NewSequence) -> Iterator[Update]:
    """The updates that a block brings come before the source is asked for the next."""
    core = session.core
    if isinstance(block, NewSequence):
        yield from session.until(lambda: core.quiet)
        core.reset()
    else:
        yield from session.until(lambda: core.room)
        core.put(block)
    yield from session.until(lambda: not core.crowded)


def _blocks(samples: Iterable[Sample], blocks: Blocks) -> Iterator[Floats | NewSequence]:
    for x in samples:
        yield from blocks.take(x)
    yield from blocks.rest()
