"""Streams against a model of a few lines: whatever clients, stores and operators do, outputs are the offline unroll's.

The model knows the samples of the present sequence and how many of them were consumed; everything else follows from
them. It is held through the real registry, engine and store.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from skiprnn_export import Bundle, open_session, read, unroll
from skiprnn_service.engine.alarms import Event
from skiprnn_service.engine.stream import Reply, Update
from skiprnn_service.errors import GapError, SkipRnnServiceError
from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import StreamSession
from support.alarms import RULE, offline_events
from support.bundles import random_sequence, write_random_bundle

TTL_SECONDS = 60.0
LONGEST = 400  # samples of a sequence
ANSWER_SECONDS = 5.0  # a message without an answer fails the test instead of hanging it


class Listener:
    """What one connection hears."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Reply | SkipRnnServiceError] = asyncio.Queue()
        self.on_reply = self.on_error = self.answers.put_nowait
        self.lost: int | None = None

    def on_saved(self) -> None: ...
    def on_go_away(self, seconds: float) -> None: ...
    def on_lost(self, code: int, reason: str) -> None:  # noqa: ARG002
        self.lost = code


class StreamMachine(RuleBasedStateMachine):
    """One stream of one client, which may be connected or not."""

    @initialize(seed=st.integers(0, 50), gate_bias=st.sampled_from([-3.0, -1.0, 30.0]))
    def serve(self, seed: int, gate_bias: float) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.file, self.gate_bias = Path(self.folder.name) / "m.onnx", gate_bias
        write_random_bundle(self.file, seed=seed, gate_bias=gate_bias, name="m", **RULE)
        self.seconds = 0.0
        self.models = ModelRepository(self.file.parent, max_batch=8)
        self.models.load()
        self.store = MemoryStore(ttl_seconds=TTL_SECONDS, clock=lambda: self.seconds)
        self.streams = StreamManager(
            self.models,
            self.store,
            ServiceStats(),
            snapshot_interval_seconds=1000,
            ttl_seconds=TTL_SECONDS,
            idle_timeout_seconds=1000,
            quotas=Quotas(max_streams=9, max_opens_per_minute=10_000),
        )
        self.session: StreamSession | None = None
        self.next_seed = seed
        self.forget()

    def forget(self) -> None:
        """The model of a stream that nobody knows: it will begin on what is served now."""
        self.served: Bundle = read(self.file)
        self.step = open_session(self.served.model)
        self.known = False
        self.begin_sequence()

    def begin_sequence(self) -> None:
        self.x: NDArray[np.float32] = random_sequence(self.served, LONGEST, seed=self.next_seed)
        self.next_seed += 1
        self.next, self.updates, self.events = 0, list[Update](), list[Event]()
        self.missed = np.zeros(LONGEST, bool)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    # -- what clients do

    @precondition(lambda self: self.session is None)
    @rule()
    def connect(self) -> None:
        self.listener = Listener()
        self.session = self.run(self.streams.open("m", self.listener, stream_id="s"))
        assert self.session.resumed == self.known
        assert self.session.slot.next == self.next

    @precondition(lambda self: self.session is not None)
    @rule()
    def take_over(self) -> None:
        old, self.session = self.listener, None
        self.known = True
        self.connect()
        assert old.lost == 4409

    def send(self, t: int | None, n: int) -> Reply | SkipRnnServiceError:
        assert self.session
        first = self.next if t is None else t
        samples = self.x[first : first + n]

        async def ask() -> Reply | SkipRnnServiceError:
            assert self.session
            self.session.engine.submit(self.session.slot, t, len(samples), samples.tobytes())
            return await asyncio.wait_for(self.listener.answers.get(), ANSWER_SECONDS)

        answer: Reply | SkipRnnServiceError = self.run(ask())
        if isinstance(answer, Reply):
            self.next = max(self.next, first + n)
            self.updates += answer.updates
            self.events += answer.events
            self.known = True
        return answer

    @precondition(lambda self: self.session is not None and self.next < LONGEST - 40)
    @rule(n=st.integers(1, 40), named=st.booleans())
    def send_chunk(self, n: int, named: bool) -> None:
        reply = self.send(self.next if named else None, n)
        assert isinstance(reply, Reply)
        assert reply.t == self.next - 1

    @precondition(lambda self: self.session is not None and self.session.slot.wake < LONGEST)
    @rule()
    def leave_out_until_wake(self) -> None:
        assert self.session
        assert isinstance(self.send(self.session.slot.wake, 1), Reply)

    @precondition(lambda self: self.session is not None and self.next > 0)
    @rule(back=st.integers(1, 60), n=st.integers(1, 60))
    def replay(self, back: int, n: int) -> None:
        t = max(self.next - back, 0)
        reply = self.send(t, min(n, self.next - t))
        assert isinstance(reply, Reply)
        assert not reply.updates

    @precondition(lambda self: self.session is not None and self.session.slot.wake < LONGEST - 40)
    @rule(n=st.integers(1, 20), named=st.booleans())
    def miss(self, n: int, named: bool) -> None:
        assert self.session
        session, t = self.session, self.session.slot.wake if named else None
        first = self.next if t is None else t

        async def tell() -> Reply | SkipRnnServiceError:
            session.engine.miss(session.slot, t, n)
            return await asyncio.wait_for(self.listener.answers.get(), ANSWER_SECONDS)

        reply = self.run(tell())
        assert isinstance(reply, Reply)
        self.missed[first : first + n] = True
        self.next, self.known = first + n, True
        assert reply == Reply(self.next - 1, max(session.slot.wake, self.next), ())

    @precondition(lambda self: self.session is not None and self.session.slot.wake < LONGEST - 10)
    @rule(past=st.integers(1, 5))
    def leave_a_gap(self, past: int) -> None:
        assert self.session
        before = self.next
        assert isinstance(self.send(self.session.slot.wake + past, 1), GapError)
        assert self.session.slot.next == before

    @precondition(lambda self: self.session is not None)
    @rule()
    def reset(self) -> None:
        assert self.session
        self.session.reset()
        self.known = self.known or self.session.slot.samples > 0
        self.begin_sequence()

    @precondition(lambda self: self.session is not None)
    @rule()
    def drop(self) -> None:
        assert self.session
        self.known = self.session.resumed or self.session.slot.samples > 0
        self.run(self.streams.park(self.session))
        self.session = None
        if not self.known:
            self.forget()

    @precondition(lambda self: self.session is not None)
    @rule()
    def end(self) -> None:
        session = self.session
        assert session

        async def say_end() -> None:
            session.engine.end(session.slot, lambda: self.streams.ended(session))
            await asyncio.gather(*self.streams._tasks)

        self.run(say_end())
        self.session = None
        self.forget()

    # -- what time and operators do

    @precondition(lambda self: self.session is None)
    @rule()
    def expire(self) -> None:
        self.seconds += TTL_SECONDS + 1
        self.forget()

    @precondition(lambda self: self.session is not None)
    @rule(seed=st.integers(51, 99))
    def reload(self, seed: int) -> None:
        """Another network takes the file's place; the live stream stays on what it began with."""
        write_random_bundle(self.file, seed=seed, gate_bias=self.gate_bias, name="m", **RULE)
        self.run(self.models.reload())

    @invariant()
    def outputs_are_those_of_the_offline_unroll(self) -> None:
        if not hasattr(self, "x"):
            return
        assert self.session is None or self.session.slot.next == self.next
        x, missed = self.x[: self.next], self.missed[: self.next]
        expected = unroll(self.served, x, missed=missed, session=self.step)
        assert [update.t for update in self.updates] == expected.t.tolist()
        assert b"".join(update.y for update in self.updates) == expected.y.tobytes()
        classes = self.served.info.classes
        given = {event.t: classes[event.label] for event in self.events}
        assert len(given) == len(self.events)
        assert given == {t: event.label for t, event in offline_events(self.served, expected).items()}

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.models.close()
            self.loop.close()
            self.folder.cleanup()


StreamMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestStreamMachine = StreamMachine.TestCase
