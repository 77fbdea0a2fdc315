"""No stream lost: real servers are killed and connections cut under all four forms of the client.

Every client ends with exactly the updates of the uninterrupted offline run: bits, order, events, none missing, none
doubled.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from skiprnn_client import (
    MISSED,
    NEW_SEQUENCE,
    Ready,
    RetryPolicy,
    StreamLost,
    Update,
    stream,
    stream_from,
    stream_from_sync,
    stream_sync,
)
from skiprnn_client.samples import Missed
from skiprnn_export import Bundle, read
from skiprnn_export.unroll import unroll
from support.alarms import RULE, events_of, offline_events
from support.bundles import random_sequence, write_random_bundle
from support.cutting_proxy import cutting_proxy
from support.redis_server import RedisServer
from support.server_process import ServerProcess

SAMPLES = 900
SOON = RetryPolicy(initial_backoff_seconds=0.02, max_backoff_seconds=0.3, retry_timeout_seconds=60)

Samples = NDArray[np.float32]
Mask = NDArray[np.bool_]
Given = Samples | Missed


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", features=3, hidden=8, outputs=4, **RULE)
    return folder


@pytest.fixture(scope="module")
def bundle(models: Path) -> Bundle:
    return read(models / "watch.onnx")


class Source:
    """Gives sample t when it is time for it.

    Args:
        gates: index → what must have happened before that sample or a later one is given.
        missed: [T], samples that the sensor missed; None: none of them.
    """

    def __init__(
        self,
        x: Samples,
        *,
        gates: dict[int, Event] | None = None,
        seconds: float = 0.0,
        missed: Mask | None = None,
    ) -> None:
        self.x, self._gates, self._seconds = x, gates or {}, seconds
        self._missed = np.zeros(len(x), bool) if missed is None else missed

    def __call__(self, t: int) -> Given | None:
        for index, gate in self._gates.items():
            if t >= index:
                gate.wait(60)
        time.sleep(self._seconds)
        if t >= len(self.x):
            return None
        return MISSED if self._missed[t] else cast("Samples", self.x[t])

    def __iter__(self) -> Iterator[Given]:
        t = 0
        while (x := self(t)) is not None:
            yield x
            t += 1

    async def __aiter__(self) -> AsyncIterator[Given]:
        t = 0
        while (x := await asyncio.to_thread(self, t)) is not None:
            yield x
            t += 1


Play = Callable[..., list[Update]]


def gathered(make: Callable[..., AsyncIterator[Update]]) -> Play:
    """An asynchronous form, as a function."""

    def play(*arguments: Any, **options: Any) -> list[Update]:
        async def run() -> list[Update]:
            return [update async for update in make(*arguments, **options)]

        return asyncio.run(run())

    return play


def listed(make: Callable[..., Iterator[Update]]) -> Play:
    return lambda *arguments, **options: list(make(*arguments, **options))


FORMS: dict[str, tuple[Play, dict[str, Any]]] = {
    "stream": (gathered(stream), {}),
    "stream, everything sent": (gathered(stream), {"wake": False, "chunk": 7, "encoding": "json"}),
    "stream_sync": (listed(stream_sync), {"window": 5}),
    "stream_from": (gathered(stream_from), {}),
    "stream_from_sync": (listed(stream_from_sync), {}),
}


def some_missed(seed: int = 0) -> Mask:
    """A fifth of the samples, and a gap as of a sensor that was off."""
    missed = np.random.default_rng(seed).random(SAMPLES) < 0.2
    missed[200:260] = True
    return missed


def assert_uninterrupted(
    updates: list[Update], bundle: Bundle, x: Samples, missed: Mask | None = None
) -> None:
    expected = unroll(bundle, x, missed=missed)
    assert [update.t for update in updates] == expected.t.tolist()
    assert b"".join(update.y.tobytes() for update in updates) == expected.y.tobytes()
    assert events_of(updates) == offline_events(bundle, expected)


def test_a_server_that_is_killed_twice_costs_no_update(models: Path, bundle: Bundle, tmp_path: Path) -> None:
    killed, gates = [Event(), Event()], dict[int, Event]()
    gates = {SAMPLES // 3: killed[0], 2 * SAMPLES // 3: killed[1]}
    inputs = {form: random_sequence(bundle, SAMPLES, seed=seed) for seed, form in enumerate(FORMS)}
    missed = {form: some_missed(seed) for seed, form in enumerate(FORMS)}
    heard: dict[str, list[Ready]] = {form: [] for form in FORMS}
    store = f"sqlite:///{tmp_path / 'streams.db'}"
    with (
        ServerProcess(models, store_url=store, snapshot_interval_seconds=0.1) as server,
        ThreadPoolExecutor(len(FORMS)) as pool,
    ):
        running = {
            form: pool.submit(
                play,
                server.url(),
                Source(inputs[form], gates=gates, seconds=0.0005, missed=missed[form]),
                retry=SOON,
                on_ready=heard[form].append,
                **options,
            )
            for form, (play, options) in FORMS.items()
        }
        for times, gate in enumerate(killed, 1):
            _wait_until(lambda times: all(len(readies) >= times for readies in heard.values()), times)
            time.sleep(0.2)
            server.kill()
            gate.set()
            server.start()
        for form, result in running.items():
            assert_uninterrupted(result.result(60), bundle, inputs[form], missed[form])
            assert len(heard[form]) >= 3, f"{form} was not interrupted"
            assert all(ready.resumed for ready in heard[form][1:])


def _wait_until(condition: Callable[..., bool], *arguments: object) -> None:
    for _ in range(6000):
        if condition(*arguments):
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("form", FORMS)
def test_connections_cut_in_the_middle_of_a_frame_cost_no_update(
    form: str, memory_server: ServerProcess, bundle: Bundle
) -> None:
    play, options = FORMS[form]
    x, missed, heard = random_sequence(bundle, SAMPLES, seed=5), some_missed(), list[Ready]()
    with cutting_proxy(memory_server.port, cuts=8, longest=1500) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/v1/models/watch/stream"
        updates = play(url, Source(x, missed=missed), retry=SOON, on_ready=heard.append, **options)
    assert_uninterrupted(updates, bundle, x, missed)
    assert len(proxy.cuts) == 8
    assert len(heard) > 3


@pytest.fixture(scope="module")
def memory_server(models: Path) -> Iterator[ServerProcess]:
    with ServerProcess(models) as server:
        yield server


def test_sequences_of_a_stream_that_is_cut_are_told_apart(
    memory_server: ServerProcess, bundle: Bundle
) -> None:
    parts = [random_sequence(bundle, 150, seed=seed) for seed in range(4)]
    source = [item for part in parts for item in (*part, NEW_SEQUENCE)][:-1]
    with cutting_proxy(memory_server.port, cuts=6, longest=800) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/v1/models/watch/stream"
        updates = list(stream_sync(url, source, retry=SOON))
    for number, part in enumerate(parts):
        assert_uninterrupted([update for update in updates if update.sequence == number], bundle, part)
    assert [update.sequence for update in updates] == sorted(update.sequence for update in updates)


def test_a_server_without_a_store_that_is_killed_loses_the_stream_and_the_client_says_so(
    models: Path, bundle: Bundle
) -> None:
    x, updates = random_sequence(bundle, 200), list[Update]()

    def source() -> Iterator[Samples]:
        yield from x[:100]
        server.kill()
        server.start()
        yield from x[100:]

    with (
        ServerProcess(models) as server,
        pytest.raises(StreamLost, match="no longer has the stream"),
    ):
        updates.extend(stream_sync(server.url(), source(), retry=SOON))


def test_a_server_that_stops_hands_its_streams_to_another(
    models: Path, bundle: Bundle, tmp_path: Path
) -> None:
    x, heard = random_sequence(bundle, SAMPLES), list[Ready]()
    stopped = Event()
    with RedisServer(tmp_path) as redis, ThreadPoolExecutor(1) as pool:
        flags: dict[str, Any] = {"store_url": redis.url, "drain_seconds": 1}
        with ServerProcess(models, **flags) as one, ServerProcess(models, **flags) as other:
            result = pool.submit(
                gathered(stream),
                [one.url(), other.url()],
                Source(x, gates={SAMPLES // 2: stopped}),
                wake=False,
                retry=SOON,
                on_ready=heard.append,
            )
            _wait_until(lambda: bool(heard))
            time.sleep(0.1)
            one.terminate()
            stopped.set()
            assert_uninterrupted(result.result(60), bundle, x)
    assert [ready.resumed for ready in heard] == [False, True]


def test_a_stream_that_was_parked_goes_on_where_its_source_stopped(
    memory_server: ServerProcess, bundle: Bundle
) -> None:
    """Also when the last samples were left out because they are not read."""
    x = random_sequence(bundle, 200)
    for stop in range(90, 100):
        name = f"parked-{stop}"
        first = list(stream_sync(memory_server.url(), x[:stop], stream_id=name, end=False))
        rest = list(stream_sync(memory_server.url(), x[stop:], stream_id=name))
        assert_uninterrupted(first + rest, bundle, x)
