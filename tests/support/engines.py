"""A client of an engine without a socket: it sends, waits for answers, and remembers the updates."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skiprnn_export import Unrolled
from skiprnn_service.engine.arena import INITIAL
from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.slot import Slot
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.engine.stream import Reply, Update
from skiprnn_service.errors import InferenceError, SkipRnnServiceError
from skiprnn_service.stores.snapshot import dumps, loads

Answer = Reply | SkipRnnServiceError
Samples = NDArray[np.float32]


class Client:
    """One stream of an engine.

    Attributes:
        stream: its handle.
        answers: those not fetched yet.
        updates: of all replies, in order.
    """

    def __init__(self, engine: Engine, stream_id: str = "s", **options: Any) -> None:
        self.engine = engine
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.updates: list[Update] = []
        self.stream: Slot = engine.open(
            stream_id, on_reply=self._on_reply, on_error=self.answers.put_nowait, **options
        )

    def _on_reply(self, reply: Reply) -> None:
        self.updates.extend(reply.updates)
        self.answers.put_nowait(reply)

    def submit(self, samples: Samples, t: int | None = None) -> None:
        """samples [n, F]; the answer will be in `answers`."""
        self.engine.submit(self.stream, t, len(samples), samples.tobytes())

    async def send(self, samples: Samples, t: int | None = None) -> Answer:
        self.submit(samples, t)
        return await self.answers.get()

    async def ask(self, samples: Samples, t: int | None = None) -> Reply:
        """Send what must be accepted."""
        answer = await self.send(samples, t)
        assert isinstance(answer, Reply), answer
        return answer

    def drop(self) -> None:
        """The connection is lost and another takes the stream up, by way of a store."""
        snapshot = loads(dumps(self.engine.detach(self.stream)))
        self.answers = asyncio.Queue()
        self.stream = self.engine.open(
            snapshot.stream_id, on_reply=self._on_reply, on_error=self.answers.put_nowait, snapshot=snapshot
        )

    def equals(self, expected: Unrolled) -> bool:
        """Are updates, outputs, state and wake those of the offline unroll, bit for bit?"""
        snapshot = self.engine.snapshot(self.stream)
        return (
            [update.t for update in self.updates] == expected.t.tolist()
            and b"".join(update.y for update in self.updates) == expected.y.tobytes()
            and snapshot.state == expected.state.tobytes()
            and self.stream.wake == expected.wake
        )


def leaves_no_row_behind(engine: Engine, clients: "list[Client]") -> bool:
    """Nothing is being read: has every stream the row of its state, or none before its first update, and no more?"""
    rows = [client.stream.row for client in clients if client.stream.open and client.stream.row != INITIAL]
    return len(set(rows)) == len(rows) == engine.runner.arena.used


class FaultySession(StepRunner):
    """A session that calls `before_run(n)` first, on the thread that runs; what that raises, `run` raises."""

    before_run: Callable[[int], None] = staticmethod(lambda _: None)

    def run(self, n: int) -> None:
        self.before_run(n)
        super().run(n)


def broken(_: int) -> None:
    raise InferenceError("broken on purpose")


def raise_(error: SkipRnnServiceError) -> None:
    """An `on_error` where there must be none."""
    raise error
