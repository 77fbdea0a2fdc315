"""Whatever clients, servers and operators do in whatever order, a stream is what the offline unroll says.

The model of a stream is three numbers and a set: the version it runs on, how many resets it has seen, the next sample,
and which ones were missed.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from skiprnn_export import Bundle, unroll
from skiprnn_service.errors import StoreError
from support.bundles import random_sequence, write_random_bundle
from support.servers import Running, serving
from support.stores import MemoryCase, SqliteCase
from support.stream_worlds import MODEL, Answer, LocalWorld, RemoteWorld, Samples, Session, Updates, World

_VERSIONS, _SAMPLES, _AHEAD = 3, 2_500, 250
_IDS = st.sampled_from("ab")


def write(folder: Path, version: int) -> Bundle:
    (folder / MODEL).mkdir(parents=True, exist_ok=True)
    return write_random_bundle(folder / MODEL / f"{version}.onnx", name=MODEL, seed=version)


@cache
def x(sequence: int) -> Samples:
    return random_sequence(bundle(1), _SAMPLES, seed=sequence)


@cache
def bundle(version: int) -> Bundle:
    with tempfile.TemporaryDirectory() as name:
        return write(Path(name), version)


@cache
def truth(version: int, sequence: int, missed: frozenset[int], end: int) -> Updates:
    """All updates of a sequence up to an index, offline."""
    done = unroll(bundle(version), x(sequence)[:end], missed=[t in missed for t in range(end)])
    return [(int(t), y.tobytes()) for t, y in zip(done.t, done.y, strict=True)]


class Place(NamedTuple):
    """Where a stream should stand."""

    version: int
    sequence: int = 0
    next: int = 0
    samples: int = 0  # over all sequences
    missed: frozenset[int] = frozenset()

    def updates(self, start: int = 0) -> Updates:
        return [update for update in self._truth() if start <= update[0] < self.next]

    @property
    def wake(self) -> int:
        return next(t for t, _ in self._truth() if t >= self.next)

    def _truth(self) -> Updates:
        end = (self.next // _AHEAD + 2) * _AHEAD
        return truth(self.version, self.sequence, self.missed, end)

    def read(self, end: int) -> "Place":
        end = max(end, self.next)
        return self._replace(next=end, samples=self.samples + end - self.next)

    def miss(self, start: int, end: int) -> "Place":
        """Of those that were consumed before it changes nothing."""
        return self.read(end)._replace(missed=self.missed.union(range(max(start, self.next), end)))


class StreamMachine(RuleBasedStateMachine):
    """Two ids, any number of connections to them. `live`: where the owned ones stand; `stored`: what a store has;
    `waiting`: what it could not take, as it was down."""

    def __init__(self, make: Callable[[], World]) -> None:
        super().__init__()
        self.world = make()
        self.sessions: dict[str, Session] = {}
        self.live: dict[str, Place] = {}
        self.stored: dict[str, Place] = {}
        self.waiting: dict[str, Place] = {}
        self.down = False

    def is_live(self, stream_id: str) -> bool:
        return stream_id in self.live

    @rule(stream_id=_IDS)
    def connect(self, stream_id: str) -> None:
        """Open, resume, or take over from whoever has it."""
        before = self.sessions.get(stream_id)
        here = self.live.get(stream_id) or self.waiting.get(stream_id)
        if self.down and here is None:
            with pytest.raises(StoreError):
                self.world.connect(stream_id)
            return
        known = here or self.stored.get(stream_id)
        self.sessions[stream_id] = self.world.connect(stream_id)
        assert before is None or before.close_code() == 4409
        self.waiting.pop(stream_id, None)
        if here is not None and not self.down:
            self.stored[stream_id] = here
        place = self.live[stream_id] = known or Place(self.world.version)
        hello = self.sessions[stream_id].hello
        stands = (hello.resumed, hello.sequence, hello.next, hello.wake)
        assert stands == (known is not None, place.sequence, place.next, place.wake)
        recent = place.updates(hello.updates_from)
        assert hello.updates[len(hello.updates) - len(recent) :] == recent
        assert len(hello.updates) >= min(32, len(place.updates()))

    @rule(stream_id=_IDS, n=st.integers(1, 60), back=st.integers(0, 80))
    def send(self, stream_id: str, n: int, back: int) -> None:
        """The next samples, or some that were consumed already and perhaps new ones behind them."""
        if self.is_live(stream_id):
            self._send(stream_id, max(self.live[stream_id].next - back, 0), n)

    @rule(stream_id=_IDS, n=st.integers(1, 20))
    def send_from_wake(self, stream_id: str, n: int) -> None:
        """Leave out what is not read."""
        if self.is_live(stream_id):
            self._send(stream_id, self.live[stream_id].wake, n)

    def _send(self, stream_id: str, t: int, n: int) -> None:
        before = self.live[stream_id]
        answer = self.sessions[stream_id].send(x(before.sequence)[t : t + n], t)
        after = self.live[stream_id] = before.read(t + n)
        assert answer == Answer(after.next - 1, after.wake, after.updates(before.next))

    @rule(stream_id=_IDS, n=st.integers(1, 20), back=st.integers(-30, 30))
    def miss(self, stream_id: str, n: int, back: int) -> None:
        """The next samples, or some that were consumed or told already, or behind some that are left out."""
        if self.is_live(stream_id):
            before = self.live[stream_id]
            t = min(max(before.next - back, 0), before.wake)
            answer = self.sessions[stream_id].miss(n, t)
            after = self.live[stream_id] = before.miss(t, t + n)
            assert answer == Answer(after.next - 1, after.wake, [])

    @rule(stream_id=_IDS, past=st.integers(1, 5))
    def leave_a_gap(self, stream_id: str, past: int) -> None:
        if self.is_live(stream_id):
            place = self.live[stream_id]
            t = place.wake + past
            assert self.sessions[stream_id].send(x(place.sequence)[t : t + 3], t) == "gap"

    @rule(stream_id=_IDS)
    def reset(self, stream_id: str) -> None:
        if self.is_live(stream_id):
            self.sessions[stream_id].reset()
            place = self.live[stream_id]
            self.live[stream_id] = place._replace(sequence=place.sequence + 1, next=0, missed=frozenset())

    @rule(stream_id=_IDS)
    def end(self, stream_id: str) -> None:
        if self.is_live(stream_id):
            self.sessions.pop(stream_id).end()
            del self.live[stream_id]
            self.forget(stream_id)

    def forget(self, stream_id: str) -> None:
        """While the store is down a record stays until it expires."""
        if not self.down:
            self.stored.pop(stream_id, None)

    @rule(stream_id=_IDS)
    def drop(self, stream_id: str) -> None:
        """A stream that nothing was ever sent to leaves nothing behind."""
        if self.is_live(stream_id):
            session, place = self.sessions.pop(stream_id), self.live.pop(stream_id)
            session.drop()
            if place.samples or session.hello.resumed:
                self.waiting[stream_id] = place
                self.write()
            else:
                self.forget(stream_id)

    def write(self) -> None:
        """What is parked goes to the store together."""
        if not self.down:
            self.stored |= self.waiting
            self.waiting.clear()

    @rule()
    def flush(self) -> None:
        self.world.flush()
        self.write()
        if self.down:
            return
        self.stored |= self.live
        if isinstance(self.world, LocalWorld):
            for stream_id, session in self.sessions.items():
                assert session.saved() == self.live[stream_id].next

    @precondition(lambda self: self.world.version < _VERSIONS)
    @rule()
    def reload(self) -> None:
        """New streams begin on a new version; those that there are stay on theirs."""
        self.world.reload()

    @precondition(lambda self: isinstance(self.world, LocalWorld))
    @rule()
    def crash(self) -> None:
        """What the store has is all there is."""
        assert isinstance(self.world, LocalWorld)
        self.world.crash()
        self.down = False
        for gone in (self.sessions, self.live, self.waiting):
            gone.clear()

    @precondition(lambda self: isinstance(self.world, LocalWorld))
    @rule()
    def expire(self) -> None:
        assert isinstance(self.world, LocalWorld)
        self.world.expire()
        self.stored.clear()

    @precondition(lambda self: isinstance(self.world, LocalWorld))
    @rule(down=st.booleans())
    def outage(self, down: bool) -> None:
        """The store is down, or back: streams of this process go on, and are written later."""
        assert isinstance(self.world, LocalWorld)
        self.world.outage(down=down)
        self.down = down

    def teardown(self) -> None:
        self.world.close()


def check(make: Callable[[], World], *, examples: int) -> None:
    class Machine(StreamMachine):
        def __init__(self) -> None:
            super().__init__(make)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
    )


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_streams_of_the_registry_are_what_the_offline_unroll_says(kind: str, tmp_path: Path) -> None:
    def make() -> World:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        case = MemoryCase() if kind == "memory" else SqliteCase(folder)
        return LocalWorld(folder / "models", case, write)

    check(make, examples=150)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    write(tmp_path, 1)
    with serving(tmp_path, max_opens_per_minute=1_000_000, max_streams_per_principal=10_000) as running:
        yield running


def test_streams_behind_a_socket_are_what_the_offline_unroll_says(server: Running, tmp_path: Path) -> None:
    check(lambda: RemoteWorld(server, tmp_path, write), examples=40)
