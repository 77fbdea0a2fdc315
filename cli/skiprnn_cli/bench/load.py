"""A load of many streams in plain asyncio, and what it measured."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any, Literal

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from skiprnn_client import Ready, Reply, ServerError
from skiprnn_client.handshake import OPEN_ERRORS, Options, address, closed, failure, socket_settings
from skiprnn_client.messages import decode_answer, decode_ready, encode_samples

_DISTINCT = 64  # messages before they repeat
_OPENING = 32  # connections at a time


@dataclass(frozen=True)
class Load:
    """Messages of `samples` samples on `streams` streams.

    Attributes:
        sample_rate: samples a second of each stream; None: the next message when the last is answered.
    """

    url: str
    streams: int
    samples: int
    sample_rate: float | None = None
    encoding: Literal["f32", "json"] = "f32"
    api_key: str | None = None

    @property
    def message_rate(self) -> float | None:
        """Messages a second of each stream."""
        return self.sample_rate and self.sample_rate / self.samples


@dataclass
class Tally:
    """What was answered while `counting`."""

    counting: bool = False
    latencies: list[float] = field(default_factory=list)  # seconds
    updates: int = 0

    def add(self, latency: float, updates: int) -> None:
        if self.counting:
            self.latencies.append(latency)
            self.updates += updates


async def run(load: Load, *, seconds: float, warm_up: float) -> dict[str, Any]:
    """Load a server and report. Raises ClientError: it rejected a stream, closed one, or answered an error."""
    tally, opening = Tally(), asyncio.Semaphore(_OPENING)
    opened = [asyncio.Event() for _ in range(load.streams)]
    streams = [asyncio.create_task(_stream(load, n, tally, opening, opened[n])) for n in range(load.streams)]
    watch = asyncio.create_task(_measure(tally, opened, seconds, warm_up))
    try:
        await asyncio.wait([watch, *streams], return_when=asyncio.FIRST_COMPLETED)
        for stream in streams:
            if stream.done():
                stream.result()
        elapsed, cpu = await watch
    finally:
        for task in (watch, *streams):
            task.cancel()
        await asyncio.gather(watch, *streams, return_exceptions=True)
    return _report(load, tally, elapsed, cpu)


async def _measure(
    tally: Tally, opened: list[asyncio.Event], seconds: float, warm_up: float
) -> tuple[float, float]:
    """Count for a while, once all streams are open; returns seconds and the share of a core that the load took."""
    for event in opened:
        await event.wait()
    await asyncio.sleep(warm_up)
    began, cpu = time.perf_counter(), time.process_time()
    tally.counting = True
    await asyncio.sleep(seconds)
    tally.counting = False
    elapsed = time.perf_counter() - began
    return elapsed, (time.process_time() - cpu) / elapsed


async def _stream(
    load: Load, number: int, tally: Tally, opening: asyncio.Semaphore, opened: asyncio.Event
) -> None:
    options: Options = {"encoding": load.encoding, "api_key": load.api_key}
    try:
        async with opening:
            socket = await connect(address(load.url, options), **socket_settings(options))
            ready = decode_ready(await socket.recv())
    except OPEN_ERRORS as error:
        raise failure(error, load.url) from error
    opened.set()
    try:
        await _converse(socket, ready, load, number, tally)
    except ConnectionClosed as error:
        raise closed(error) from error
    finally:
        with suppress(ConnectionClosed):
            await socket.close()


async def _converse(socket: ClientConnection, ready: Ready, load: Load, number: int, tally: Tally) -> None:
    blocks, rate = cycle(_blocks(ready.features, load.samples, seed=number)), load.message_rate
    start = time.perf_counter() + (number / load.streams / rate if rate else 0)
    for turn, block in zip(count(), blocks, strict=False):
        due = start + turn / rate if rate else time.perf_counter()
        if rate:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await socket.send(encode_samples(turn * load.samples, block, load.encoding))
        reply = await _reply(socket, ready)
        tally.add(time.perf_counter() - due, len(reply.updates))


async def _reply(socket: ClientConnection, ready: Ready) -> Reply:
    """The next answer; notices in between answer nothing."""
    while True:
        answer = decode_answer(await socket.recv(), ready)
        if isinstance(answer, ServerError):
            raise answer
        if isinstance(answer, Reply):
            return answer


def _blocks(features: int, samples: int, *, seed: int) -> Iterator[Any]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((samples, features), np.float32) for _ in range(_DISTINCT))


def _report(load: Load, tally: Tally, elapsed: float, cpu: float) -> dict[str, Any]:
    messages = len(tally.latencies)
    update_rate = round(tally.updates / (messages * load.samples), 4) if messages else None
    p50, p90, p99 = np.percentile(tally.latencies, [50, 90, 99]) * 1e3 if messages else (None,) * 3
    return {
        "url": load.url,
        "streams": load.streams,
        "samples_per_message": load.samples,
        "sample_rate": load.sample_rate,
        "rate": load.message_rate,  # until the next release
        "encoding": load.encoding,
        "seconds": round(elapsed, 3),
        "messages_per_second": round(messages / elapsed, 1),
        "samples_per_second": round(messages * load.samples / elapsed, 1),
        "update_rate": update_rate,
        "read": update_rate,  # until the next release
        "p50_ms": _rounded(p50),
        "p90_ms": _rounded(p90),
        "p99_ms": _rounded(p99),
        "client_cpu": round(cpu, 2),
    }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(float(milliseconds), 3)
