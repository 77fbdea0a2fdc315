"""Messages in, answers out: each takes effect as a whole or not at all, in order, and the bits never depend on how."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skiprnn_export import Bundle, open_session, unroll, write
from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.engine.stream import RECENT_UPDATES, Reply
from skiprnn_service.errors import (
    GapError,
    InferenceError,
    ModelError,
    NonFiniteError,
    OverloadError,
    ShapeError,
    SnapshotError,
    StreamStateError,
    ThresholdError,
)
from support.bundles import random_bundle, random_sequence, write_random_bundle
from support.engines import Client, FaultySession, Samples, broken, leaves_no_row_behind, raise_
from support.graphs import depends_on_batch_size


@dataclass(frozen=True)
class Life:
    """How one stream is sent: decided by hypothesis, played by `play`."""

    samples: int
    seed: int
    longest_chunk: int
    in_flight: int
    leave_out: bool
    drops: bool
    threshold: float | None


lives = st.builds(
    Life,
    samples=st.integers(1, 120),
    seed=st.integers(0, 2**16),
    longest_chunk=st.sampled_from([1, 7, 200]),
    in_flight=st.integers(1, 4),
    leave_out=st.booleans(),
    drops=st.booleans(),
    threshold=st.sampled_from([None, None, 0.5, 0.75, 1.0]),
)


async def play(client: Client, x: Samples, life: Life) -> None:
    """Send all of x, in pieces; some before the last is answered, some twice, some cut off by a lost connection."""
    rng = np.random.default_rng(life.seed)
    while client.stream.next < len(x):
        t = client.stream.wake if life.leave_out else max(0, client.stream.next - int(rng.integers(3)))
        if t >= len(x):
            break
        sent = 0
        for _ in range(life.in_flight):
            n = int(rng.integers(1, life.longest_chunk + 1))
            if t < len(x):
                client.submit(x[t : t + n], t)
                sent += 1
            t += n
        for _ in range(rng.integers(3)):
            await asyncio.sleep(0)
        if life.drops and rng.random() < 0.3:
            client.drop()
        else:
            answers = [await client.answers.get() for _ in range(sent)]
            assert all(isinstance(answer, Reply) for answer in answers)


INLINE, WORKER = 1e9, 0.0  # µs below which a batch runs on the loop


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp("bundle") / "m.onnx", hidden=16, layers=2)


@pytest.fixture(scope="module")
def runner(bundle: Bundle) -> StepRunner:
    return StepRunner(bundle, max_batch=64)


@pytest.fixture(scope="module")
def runners(bundle: Bundle, runner: StepRunner) -> list[StepRunner]:
    """On the caller's memory, and with memory apart as on a GPU."""
    return [runner, StepRunner(bundle, max_batch=64, apart=True)]


@pytest.fixture
def engine(runner: StepRunner) -> Iterator[Engine]:
    engine = Engine(runner.fork(), model="m", version="1", capacity=8)
    yield engine
    engine.close()


# -- the same bits, whatever happens


@pytest.mark.parametrize("apart", [False, True])
@settings(max_examples=100)
@given(
    lives=st.lists(lives, min_size=1, max_size=6),
    inline_step_below_us=st.sampled_from([INLINE, WORKER, 30.0]),
    max_batch=st.sampled_from([1, 3, 64]),
)
def test_a_stream_gets_the_bits_of_the_offline_unroll_however_it_is_sent(
    bundle: Bundle,
    runners: list[StepRunner],
    apart: bool,
    lives: list[Life],
    inline_step_below_us: float,
    max_batch: int,
) -> None:
    async def serve() -> None:
        shared = StepRunner(bundle, max_batch=max_batch, shares=runners[apart])
        engine = Engine(shared, model="m", version="1", inline_step_below_us=inline_step_below_us)
        clients = [Client(engine, f"s{i}", threshold=life.threshold) for i, life in enumerate(lives)]
        sequences = [random_sequence(bundle, life.samples, seed=life.seed) for life in lives]
        await asyncio.gather(*map(play, clients, sequences, lives))
        for client, x, life in zip(clients, sequences, lives, strict=True):
            assert client.equals(unroll(bundle, x, threshold=life.threshold, session=plain))
        assert engine.stats.updates == sum(len(client.updates) for client in clients)
        assert engine.stats.samples == sum(client.stream.samples for client in clients)
        assert leaves_no_row_behind(engine, clients)
        engine.close()

    plain = open_session(bundle.model)
    asyncio.run(serve())


async def test_infers_once_for_every_gate_that_opens_and_never_else(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 300)
    for sample in x:
        await client.ask(sample[np.newaxis])
    expected = unroll(bundle, x)
    assert 0 < len(expected.t) < 150
    assert engine.stats.batch_size.total == engine.stats.updates == len(expected.t)
    assert engine.stats.samples == engine.stats.messages == 300


# -- answers


async def test_a_message_without_a_due_sample_is_answered_before_submit_returns(
    bundle: Bundle, engine: Engine
) -> None:
    client, x = Client(engine), random_sequence(bundle, 200)
    reply = await client.ask(x[:1])
    while reply.wake == reply.t + 1:
        reply = await client.ask(x[:1])
    client.submit(x[:1])
    assert client.answers.get_nowait() == Reply(reply.t + 1, reply.wake, ())


async def test_the_bytes_of_a_skipped_sample_are_never_looked_at(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 200)
    expected = unroll(bundle, x)
    x[np.setdiff1d(np.arange(200), expected.t)] = np.nan
    await client.ask(x)
    assert client.equals(expected)


async def test_samples_may_begin_anywhere_in_the_payload(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 50)
    engine.submit(client.stream, 0, 50, memoryview(b"12345678" + x.tobytes()), 8)
    await client.answers.get()
    assert client.equals(unroll(bundle, x))


async def test_answers_come_in_order_also_where_the_first_takes_long(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 60)
    client.submit(x[:40], 0)
    client.submit(x[:1], 1_000_000)  # a gap, known at once
    client.submit(x[40:], 40)
    assert client.stream.pending == 3
    first, gap, last = [await client.answers.get() for _ in range(3)]
    assert isinstance(first, Reply)
    assert isinstance(gap, GapError)
    assert isinstance(last, Reply)
    assert (first.t, last.t, client.stream.pending) == (39, 59, 0)
    assert client.stream.waiting is None  # nothing is kept for a stream that waits for nothing


async def test_a_callback_may_submit_and_keeps_its_place(bundle: Bundle, engine: Engine) -> None:
    x, order = random_sequence(bundle, 4), list[int]()
    done = asyncio.Event()

    def on_reply(reply: Reply) -> None:
        order.append(reply.t)
        if reply.t == 0:
            engine.submit(stream, 3, 1, x[3].tobytes())
        if reply.t == 3:
            done.set()

    stream = engine.open("s", on_reply=on_reply, on_error=raise_)
    for t in range(3):
        engine.submit(stream, t, 1, x[t].tobytes())
    await done.wait()
    assert order == [0, 1, 2, 3]


async def test_a_callback_that_raises_costs_the_others_nothing(bundle: Bundle, engine: Engine) -> None:
    raised = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))
    bad = engine.open("bad", on_reply=lambda _: 1 / 0, on_error=raise_)  # type: ignore[arg-type]
    good, x = Client(engine, "good"), random_sequence(bundle, 30)
    engine.submit(bad, 0, 30, x.tobytes())
    await good.ask(x)
    assert good.equals(unroll(bundle, x))
    assert [type(error) for error in raised] == [ZeroDivisionError]
    assert bad.next == 30


# -- errors change nothing


async def test_a_payload_of_another_length_is_refused(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 10)
    engine.submit(client.stream, 0, 9, x.tobytes())
    answer = await client.answers.get()
    assert isinstance(answer, ShapeError)
    assert str(answer) == "payload: expected 9 samples of 12 bytes, got 120 bytes"
    await client.ask(x)
    assert client.equals(unroll(bundle, x))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("update", [0, 1, 5])
async def test_a_non_finite_sample_that_is_read_rolls_its_message_back(
    bundle: Bundle, engine: Engine, value: float, update: int
) -> None:
    clients, x = [Client(engine, f"s{i}") for i in range(3)], random_sequence(bundle, 100)
    expected = unroll(bundle, x)
    assert len(expected.t) > 6
    for client in clients:
        await client.ask(x[:1])
    bad = x.copy()
    bad[expected.t[1 + update], 1] = value
    for client, message in zip(clients, (x, bad, x), strict=True):
        client.submit(message[1:])
    good, refused, also_good = [await client.answers.get() for client in clients]
    assert isinstance(good, Reply)
    assert isinstance(also_good, Reply)
    assert isinstance(refused, NonFiniteError)
    assert f"sample {expected.t[1 + update]}, feature 1: " in str(refused)
    await clients[1].ask(x[1:])
    assert all(client.equals(expected) for client in clients)
    assert engine.stats.rejected == {"non_finite": 1}
    assert leaves_no_row_behind(engine, clients)


async def test_a_finite_sample_that_would_make_nan_of_the_state_is_refused(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "m.onnx", features=8)
    engine = Engine(StepRunner(bundle), model="m", version="1")
    clients, x = [Client(engine, f"s{i}") for i in range(3)], random_sequence(bundle, 60)
    expected = unroll(bundle, x)
    large, late = x.copy(), x.copy()
    large[0] = np.finfo(np.float32).max  # some of it becomes infinite when it is normalised
    late[expected.t[-1]] = np.nan  # rolled back later, to what stood in the same batch as the large one
    await clients[2].ask(x[:20])
    for client, message in zip(clients, (x, large, late[20:]), strict=True):
        client.submit(message)
    answers = [await client.answers.get() for client in clients]
    assert [type(answer) for answer in answers] == [Reply, NonFiniteError, NonFiniteError]
    await asyncio.gather(clients[1].ask(x), clients[2].ask(x[20:]))
    assert all(client.equals(expected) for client in clients)
    assert leaves_no_row_behind(engine, clients)
    engine.close()


@pytest.mark.parametrize("inline_step_below_us", [INLINE, WORKER])
async def test_a_step_that_raises_fails_its_messages_and_the_engine_goes_on(
    bundle: Bundle, inline_step_below_us: float, caplog: pytest.LogCaptureFixture
) -> None:
    runner = FaultySession(bundle)
    engine = Engine(runner, model="m", version="1", inline_step_below_us=inline_step_below_us)
    clients, x = [Client(engine, f"s{i}") for i in range(3)], random_sequence(bundle, 100)
    for client in clients:
        await client.ask(x[:10])
    runner.before_run = broken
    failed = await asyncio.gather(*(client.send(x[10:50]) for client in clients))
    assert [type(answer) for answer in failed] == [InferenceError] * 3
    assert caplog.text.count("broken on purpose") == 1
    runner.before_run = lambda _: None
    await asyncio.gather(*(client.ask(x[10:]) for client in clients))
    assert all(client.equals(unroll(bundle, x)) for client in clients)
    assert leaves_no_row_behind(engine, clients)
    engine.close()


async def test_what_waits_behind_a_refused_message_still_gets_its_answer(
    bundle: Bundle, engine: Engine
) -> None:
    client, x = Client(engine), random_sequence(bundle, 100)
    bad = x[:50].copy()
    bad[unroll(bundle, x).t[2]] = np.nan
    client.submit(bad, 0)
    client.submit(x[50:], 50)  # now it comes too early
    client.submit(x, 0)
    answers = [await client.answers.get() for _ in range(3)]
    assert [type(answer) for answer in answers] == [NonFiniteError, GapError, Reply]
    assert client.equals(unroll(bundle, x))


async def test_what_waits_is_worked_off_in_many_turns_and_in_its_order(
    bundle: Bundle, engine: Engine
) -> None:
    client, x, most, seen = Client(engine), random_sequence(bundle, 2), 0, 0
    client.submit(x[:1])
    for number in range(1000):
        engine.reject(client.stream, ShapeError(str(number)))
    client.submit(x[1:])
    while client.answers.qsize() < 1002:
        await asyncio.sleep(0)
        most, seen = max(most, client.answers.qsize() - seen), client.answers.qsize()
    assert most < 100
    answers = [client.answers.get_nowait() for _ in range(1002)]
    assert isinstance(answers[0], Reply)
    assert [str(answer) for answer in answers[1:-1]] == [str(number) for number in range(1000)]
    assert isinstance(answers[-1], Reply)
    assert client.equals(unroll(bundle, x))


async def test_a_stream_may_go_while_its_queue_is_worked_off(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 1)
    client.submit(x)
    for number in range(1000):
        engine.reject(client.stream, ShapeError(str(number)))
    await client.answers.get()
    engine.detach(client.stream)
    await asyncio.sleep(0.01)
    assert client.answers.qsize() < 100


# -- opening and closing


async def test_refuses_at_the_door_when_full_and_has_room_again_later(bundle: Bundle, engine: Engine) -> None:
    clients = [Client(engine, f"s{i}") for i in range(8)]
    with pytest.raises(OverloadError, match="'m': all 8 streams"):
        Client(engine, "one too many")
    engine.detach(clients[3].stream)
    assert engine.live == 7
    late, x = Client(engine, "late"), random_sequence(bundle, 40)
    await late.ask(x)
    assert late.equals(unroll(bundle, x))  # nothing is left of the row's last owner


def test_more_states_than_memory_say_which_limit_to_lower(bundle: Bundle) -> None:
    with pytest.raises(
        ModelError, match=r"take [\d,]+ bytes, which this machine does not have; lower max_streams"
    ):
        Engine(StepRunner(bundle), model="m", version="1", capacity=10**12)


async def test_refuses_a_threshold_out_of_range(engine: Engine) -> None:
    with pytest.raises(ThresholdError, match=r"\[0.5, 1\], got 0.4"):
        Client(engine, threshold=0.4)
    assert engine.live == 0


async def test_reset_and_end_wait_their_turn(bundle: Bundle, engine: Engine) -> None:
    client, x, ended = Client(engine), random_sequence(bundle, 80), asyncio.Event()
    expected = unroll(bundle, x)
    client.submit(x, 0)
    engine.reset(client.stream)
    client.submit(x, 0)
    engine.end(client.stream, ended.set)
    client.submit(x, 0)  # too late: never answered
    assert not ended.is_set()
    await ended.wait()
    assert client.answers.qsize() == 2
    assert [update.t for update in client.updates] == [*expected.t, *expected.t]
    assert b"".join(update.y for update in client.updates) == expected.y.tobytes() * 2
    assert (client.stream.samples, client.stream.updates) == (160, 2 * len(expected.t))
    assert engine.live == 0
    assert leaves_no_row_behind(engine, [client])


async def test_a_stream_that_ended_takes_nothing_more(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 1)
    engine.end(client.stream, lambda: None)
    for action in (lambda: client.submit(x), lambda: engine.detach(client.stream)):
        with pytest.raises(StreamStateError, match="closed"):
            action()
    assert client.answers.empty()


async def test_detach_rolls_a_half_read_message_back_and_drops_what_waits(
    bundle: Bundle, engine: Engine
) -> None:
    client, x = Client(engine), random_sequence(bundle, 200)
    await client.ask(x[:50])
    client.submit(x[50:150])
    client.submit(x[150:])
    while (
        client.stream.ahead is None or client.stream in engine._batcher._running
    ):  # until the message has been read in part
        await asyncio.sleep(0)
    snapshot = engine.snapshot(client.stream)
    assert snapshot.state == unroll(bundle, x[:50]).state.tobytes()
    client.drop()
    assert (client.stream.next, client.stream.wake) == (50, snapshot.position.wake)
    await client.ask(x[50:])
    assert client.equals(unroll(bundle, x))
    assert leaves_no_row_behind(engine, [client])


async def test_snapshots_of_many_streams_are_those_of_each(bundle: Bundle, engine: Engine) -> None:
    clients = [Client(engine, f"s{i}") for i in range(4)]
    for i, client in enumerate(clients[1:]):  # the first has not read anything
        await client.ask(random_sequence(bundle, 30, seed=i))
    streams = [client.stream for client in clients]
    found = engine.snapshots(streams)
    assert found == [engine.snapshot(stream) for stream in streams]
    assert len({snapshot.state for snapshot in found}) == 4
    assert engine.snapshots([]) == []


async def test_a_snapshot_goes_on_only_with_the_file_it_is_of(engine: Engine) -> None:
    snapshot = engine.detach(Client(engine).stream)
    for other in ({"model": "other"}, {"version": "2"}, {"bundle_sha256": "0" * 64}):
        with pytest.raises(SnapshotError, match="expected one of"):
            engine.open("s", on_reply=print, on_error=raise_, snapshot=snapshot._replace(**other))  # type: ignore[arg-type]
    assert engine.live == 0


async def test_a_resumed_stream_keeps_its_threshold_and_its_last_output(
    bundle: Bundle, engine: Engine
) -> None:
    client, x = Client(engine, threshold=1.0), random_sequence(bundle, 100)
    await client.ask(x[:60])
    client.drop()
    assert client.stream.threshold == 1.0
    assert client.stream.last_y == client.updates[-1].y
    await client.ask(x[60:])
    assert client.equals(unroll(bundle, x, threshold=1.0))


async def test_a_resumed_stream_keeps_whose_it_is_its_sequence_and_its_latest_updates(
    bundle: Bundle, engine: Engine
) -> None:
    client, x = Client(engine, principal="alice"), random_sequence(bundle, 600)
    await client.ask(x)
    engine.reset(client.stream)
    client.updates.clear()
    for start in range(0, 600, 10):
        await client.ask(x[start : start + 10])
        client.drop()
    snapshot = engine.snapshot(client.stream)
    assert (snapshot.principal, snapshot.position.sequence) == ("alice", 1)
    assert len(client.updates) > RECENT_UPDATES
    assert snapshot.position.recent == tuple(client.updates[-RECENT_UPDATES:])
    assert snapshot.position.recent_from == client.updates[-RECENT_UPDATES - 1].t + 1


async def test_serves_padded_batches_alike_whatever_their_size(tmp_path: Path) -> None:
    """Where batch sizes matter, every batch is padded: many streams get the bits that a lone one gets."""
    model, info = random_bundle()
    bundle = write(tmp_path / "m.onnx", depends_on_batch_size(model), info)
    runner = StepRunner(bundle)
    assert not runner.self_test()
    engine, x = Engine(runner, model="m", version="1"), random_sequence(bundle, 50)
    lone, *many = [Client(engine, f"s{i}") for i in range(40)]
    await lone.ask(x)
    await asyncio.gather(*(client.ask(x) for client in many))
    assert all(client.updates == lone.updates for client in many)
    engine.close()


async def test_skipped_messages_are_told_without_a_reply_and_in_their_turn(
    bundle: Bundle, engine: Engine
) -> None:
    x, told = random_sequence(bundle, 200), list[tuple[int, int, int]]()
    done = asyncio.Event()

    def on_reply(reply: Reply) -> None:
        assert reply.updates
        tell(len(reply.updates))

    def tell(updates: int = 0) -> None:
        told.append((stream.next - 1, stream.wake, updates))
        if stream.next == 200:
            done.set()

    stream = engine.open("s", on_reply=on_reply, on_error=raise_)
    stream.on_skipped = tell
    for t in range(200):
        engine.submit(stream, t, 1, x[t].tobytes())
    await done.wait()
    expected = unroll(bundle, x)
    assert [t for t, _, _ in told] == list(range(200))
    assert [t for t, _, updates in told if updates] == expected.t.tolist()
    assert told[-1][1] == expected.wake
    assert engine.stats.messages == engine.stats.samples == 200


async def test_a_skipped_message_is_still_checked(bundle: Bundle, engine: Engine) -> None:
    client, x = Client(engine), random_sequence(bundle, 200)
    client.stream.on_skipped = lambda: pytest.fail("the message is too short")
    reply = await client.ask(x[:1])
    while reply.wake == reply.t + 1:
        reply = await client.ask(x[:1])
    engine.submit(client.stream, None, 1, b"short")
    assert isinstance(client.answers.get_nowait(), ShapeError)
    assert client.stream.next == reply.t + 1


async def test_a_callback_for_skipped_messages_that_raises_is_reported(
    bundle: Bundle, engine: Engine
) -> None:
    raised = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))
    client, x = Client(engine), random_sequence(bundle, 200)
    reply = await client.ask(x[:1])
    while reply.wake == reply.t + 1:
        reply = await client.ask(x[:1])
    client.stream.on_skipped = lambda: raise_(ShapeError("of the callback"))
    client.submit(x[:1])
    assert [type(error) for error in raised] == [ShapeError]
    assert client.stream.next == reply.t + 2


async def test_room_is_kept_for_a_stream_that_is_about_to_be_opened(engine: Engine) -> None:
    engine.capacity = 2
    with engine.room(), engine.room():
        with pytest.raises(OverloadError), engine.room():
            pass
        client = Client(engine, "a")
    assert (engine.live, engine.opening) == (1, 0)
    with engine.room(), pytest.raises(OverloadError), engine.room():
        pass
    Client(engine, "b")
    with engine.room(replaces=True):
        engine.detach(client.stream)
        Client(engine, "a")
    with pytest.raises(OverloadError):
        Client(engine, "c")


async def test_an_action_that_raises_costs_others_nothing(bundle: Bundle, engine: Engine) -> None:
    """In a batch of several streams, behind the message of one."""
    problems = list[str]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(str(context["exception"])))
    clients = [Client(engine, f"s{i}") for i in range(3)]
    x = random_sequence(bundle, 40)
    for client in clients:
        client.submit(x[:20])
        engine.after(client.stream, lambda: {}["a bug"])  # type: ignore[index]
        client.submit(x[20:])
    for client in clients:
        for _ in range(2):
            assert isinstance(await client.answers.get(), Reply)
        assert client.equals(unroll(bundle, x))
    assert problems == ["'a bug'"] * 3
