"""Batches: due samples together, oldest first, bounded work a turn, long steps on the worker thread."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skiprnn_export import Bundle, unroll
from skiprnn_service.engine.engine import Engine
from support.bundles import random_sequence, write_random_bundle
from support.engines import Client, FaultySession, leaves_no_row_behind


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Every sample is read: batches are as full as can be."""
    return write_random_bundle(tmp_path / "m.onnx", gate_bias=30.0)


class Watched(FaultySession):
    """Remembers its batch sizes and threads; `gate` holds it up while cleared."""

    def __init__(self, bundle: Bundle, *, max_batch: int = 256) -> None:
        super().__init__(bundle, max_batch=max_batch)
        self.sizes: list[int] = []
        self.threads: set[int] = set()
        self.gate, self.entered = threading.Event(), asyncio.Event()
        self.gate.set()
        self.before_run = self._watch
        self.loop = asyncio.get_running_loop()

    def _watch(self, n: int) -> None:
        self.sizes.append(n)
        self.threads.add(threading.get_ident())
        self.loop.call_soon_threadsafe(self.entered.set)
        assert self.gate.wait(30)


@pytest.fixture
async def session(bundle: Bundle) -> Watched:
    return Watched(bundle, max_batch=16)


@pytest.fixture
async def inline(session: Watched) -> Engine:
    return Engine(session, model="m", version="1", inline_step_below_us=1e9)


@pytest.fixture
async def threaded(session: Watched) -> AsyncIterator[Engine]:
    engine = Engine(session, model="m", version="1", inline_step_below_us=0)
    yield engine
    engine.close()


async def test_what_is_due_in_one_turn_is_one_batch(bundle: Bundle, session: Watched, inline: Engine) -> None:
    clients, x = [Client(inline, f"s{i}") for i in range(5)], random_sequence(bundle, 1)
    await asyncio.gather(*(client.ask(x) for client in clients))
    assert session.sizes == [5]
    assert session.threads == {threading.get_ident()}


async def test_no_batch_is_larger_than_max_batch(bundle: Bundle, session: Watched, inline: Engine) -> None:
    clients, x = [Client(inline, f"s{i}") for i in range(40)], random_sequence(bundle, 1)
    await asyncio.gather(*(client.ask(x) for client in clients))
    assert session.sizes == [16, 16, 8]


async def test_whoever_had_company_waits_for_another_turn(
    bundle: Bundle, session: Watched, inline: Engine
) -> None:
    one, other, x = Client(inline, "one"), Client(inline, "other"), random_sequence(bundle, 1)
    await asyncio.gather(one.ask(x), other.ask(x))
    one.submit(x)
    await asyncio.sleep(0)
    other.submit(x)  # a turn later, and yet in the same batch
    await one.answers.get()
    await other.answers.get()
    assert session.sizes == [2, 2]


async def test_whoever_was_alone_waits_for_nobody(bundle: Bundle, session: Watched, inline: Engine) -> None:
    one, other, x = Client(inline, "one"), Client(inline, "other"), random_sequence(bundle, 1)
    await one.ask(x)
    one.submit(x)
    await asyncio.sleep(0)
    other.submit(x)
    await one.answers.get()
    await other.answers.get()
    assert session.sizes == [1, 1, 1]


async def test_long_messages_take_turns_with_single_samples(bundle: Bundle, inline: Engine) -> None:
    long, x = Client(inline, "long"), random_sequence(bundle, 1_000)
    long.submit(x)
    short = Client(inline, "short")
    for t in range(10):
        await short.ask(x[t : t + 1])
    assert long.answers.empty()
    assert long.stream.wake < 60  # it had a turn or two for each of theirs
    await long.answers.get()
    assert long.equals(unroll(bundle, x))


async def test_a_hundred_thousand_samples_keep_nobody_waiting(bundle: Bundle, inline: Engine) -> None:
    long, x = Client(inline, "long"), random_sequence(bundle, 100_000)
    long.submit(x)
    short = Client(inline, "short")
    for t in range(10):
        await short.ask(x[t : t + 1])
    assert long.stream.wake < 60


async def test_the_loop_runs_on_while_a_long_step_is_on_the_worker(
    bundle: Bundle, session: Watched, threaded: Engine
) -> None:
    clients, x = [Client(threaded, f"s{i}") for i in range(6)], random_sequence(bundle, 1)
    session.gate.clear()
    clients[0].submit(x)
    await session.entered.wait()
    for client in clients[1:]:
        client.submit(x)  # collected meanwhile: the next batch
    assert clients[0].answers.empty()
    session.gate.set()
    for client in clients:
        await client.answers.get()
    assert session.sizes == [1, 5]
    assert threading.get_ident() not in session.threads
    assert len(session.threads) == 1


async def test_a_stream_may_vanish_while_its_batch_runs(
    bundle: Bundle, session: Watched, threaded: Engine
) -> None:
    gone, stays, x = Client(threaded, "gone"), Client(threaded, "stays"), random_sequence(bundle, 20)
    await gone.ask(x[:5])
    session.gate.clear()
    session.entered.clear()
    gone.submit(x[5:10])
    stays.submit(x)
    await session.entered.wait()
    gone.drop()  # taken up again at once, in another row: the batch will still write to the old one
    heir = Client(threaded, "heir")
    heir.submit(x)
    session.gate.set()
    await asyncio.gather(stays.answers.get(), heir.answers.get(), gone.ask(x[5:], 5))
    expected = unroll(bundle, x)
    assert gone.equals(expected)
    assert stays.equals(expected)
    assert heir.equals(expected)
    assert leaves_no_row_behind(threaded, [gone, stays, heir])


async def test_rows_of_vanished_streams_are_used_again(bundle: Bundle, session: Watched) -> None:
    engine = Engine(session, model="m", version="1", inline_step_below_us=0, capacity=1)
    x = random_sequence(bundle, 3)
    for _ in range(3):
        session.gate.clear()
        session.entered.clear()
        client = Client(engine)
        client.submit(x)
        await session.entered.wait()
        engine.detach(client.stream)
        session.gate.set()
        while engine._batcher._running:
            await asyncio.sleep(0)
        assert leaves_no_row_behind(engine, [])
    last = Client(engine)
    await last.ask(x)
    assert last.equals(unroll(bundle, x))
    engine.close()


async def test_counts_batches_and_delays(bundle: Bundle, inline: Engine) -> None:
    clients, x = [Client(inline, f"s{i}") for i in range(3)], random_sequence(bundle, 4)
    await asyncio.gather(*(client.ask(x) for client in clients))
    stats = inline.stats
    assert stats.batch_size.total == 12
    assert sum(stats.batch_size.counts) == sum(stats.queue_delay.counts) == sum(stats.update_time.counts) == 4
    assert stats.queue_delay.total > 0


async def test_what_is_due_does_not_wait_for_a_turn_that_does_not_end(
    bundle: Bundle, session: Watched, inline: Engine
) -> None:
    clients, x = [Client(inline, f"s{i}") for i in range(3)], random_sequence(bundle, 4)
    clients[0].submit(x[:1])
    clients[1].submit(x[:1])
    assert clients[0].answers.empty()
    clients[0].stream.due_at -= 1  # as if the loop had been at it for a second
    clients[2].submit(x[:1])
    for client in clients:
        client.answers.get_nowait()
    await asyncio.sleep(0)
    await asyncio.gather(*(client.ask(x[1:]) for client in clients))
    assert session.sizes == [3, 3, 3, 3]
    assert all(client.equals(unroll(bundle, x)) for client in clients)
