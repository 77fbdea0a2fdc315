"""Where a stream machine's streams live: the registry and engine in this process, or a server behind a socket."""

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from skiprnn_service.engine.stream import Reply, Update
from skiprnn_service.errors import SkipRnnServiceError, StoreError
from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.stats import ServiceStats
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import StreamSession
from support.servers import Running
from support.stores import TTL_SECONDS, StoreCase

MODEL = "m"

Samples = NDArray[np.float32]
Updates = list[tuple[int, bytes]]


class Hello(NamedTuple):
    """What a client is told first. `updates`: recent ones; every one from `updates_from` on is among them."""

    resumed: bool
    sequence: int
    next: int
    wake: int
    updates: Updates
    updates_from: int


class Answer(NamedTuple):
    """Of a message that was accepted."""

    t: int
    wake: int
    updates: Updates


class Session(Protocol):
    """One connection to one stream."""

    hello: Hello

    def send(self, x: Samples, t: int) -> Answer | str:
        """The answer, or the code of the error."""

    def miss(self, n: int, t: int) -> Answer | str:
        """Tell that samples were missed. As `send`."""

    def reset(self) -> None: ...

    def end(self) -> None:
        """Returns when the stream is forgotten."""

    def drop(self) -> None:
        """Returns when the stream is parked, or forgotten where there was nothing to park."""

    def close_code(self) -> int | None:
        """With which the server ended the connection."""

    def saved(self) -> int: ...


class World(Protocol):
    """`version`: the latest of MODEL, on which new streams begin."""

    @property
    def version(self) -> int: ...
    def connect(self, stream_id: str) -> Session: ...
    def flush(self) -> None: ...
    def reload(self) -> None:
        """Serve one version more."""

    def close(self) -> None: ...


def _versions(folder: Path) -> int:
    return len(list((folder / MODEL).iterdir()))


async def settled(streams: StreamManager) -> None:
    """Streams that ended are forgotten in the background: wait until that is done."""
    while streams._tasks:
        await asyncio.gather(*streams._tasks)


class _Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Reply | SkipRnnServiceError] = asyncio.Queue()
        self.on_reply: Callable[[Reply], None] = self.answers.put_nowait
        self.on_error: Callable[[SkipRnnServiceError], None] = self.answers.put_nowait
        self.code: int | None = None

    def on_saved(self) -> None: ...
    def on_go_away(self, seconds: float) -> None: ...

    def on_lost(self, code: int, reason: str) -> None:  # noqa: ARG002
        self.code = code


class _LocalSession:
    def __init__(self, world: "LocalWorld", session: StreamSession, listener: _Listener) -> None:
        self._world, self._session, self._listener = world, session, listener
        stream = session.slot
        recent = _pairs(stream.recent)
        self.hello = Hello(
            session.resumed, stream.sequence, stream.next, stream.wake, recent, stream.recent_from
        )

    def send(self, x: Samples, t: int) -> Answer | str:
        return self._world.run(self._send(x, t))  # type: ignore[no-any-return]

    async def _send(self, x: Samples, t: int) -> Answer | str:
        self._session.engine.submit(self._session.slot, t, len(x), x.tobytes())
        return await self._answer()

    def miss(self, n: int, t: int) -> Answer | str:
        return self._world.run(self._miss(n, t))  # type: ignore[no-any-return]

    async def _miss(self, n: int, t: int) -> Answer | str:
        self._session.engine.miss(self._session.slot, t, n)
        return await self._answer()

    async def _answer(self) -> Answer | str:
        answer = await self._listener.answers.get()
        if isinstance(answer, Reply):
            return Answer(answer.t, answer.wake, _pairs(answer.updates))
        return answer.code

    def reset(self) -> None:
        self._world.run(self._reset())

    async def _reset(self) -> None:
        self._session.reset()

    def end(self) -> None:
        self._world.run(self._end())

    async def _end(self) -> None:
        self._session.engine.end(self._session.slot, lambda: self._world.streams.ended(self._session))
        await settled(self._world.streams)

    def drop(self) -> None:
        self._world.run(self._drop())

    async def _drop(self) -> None:
        await self._world.streams.park(self._session)
        await settled(self._world.streams)

    def close_code(self) -> int | None:
        return self._listener.code

    def saved(self) -> int:
        return self._session.saved


class _Down:
    """A store that does not answer."""

    durable = shared = True
    generation = 0

    async def claim(self, *_: object) -> Any:
        raise StoreError("down on purpose")

    save = delete = check = claim


class LocalWorld:
    """Streams of this process, whose store survives it, and whose time can be moved.

    Args:
        write: writes version n of MODEL into a folder.
    """

    def __init__(self, folder: Path, case: StoreCase, write: Callable[[Path, int], object]) -> None:
        self._runner, self._folder, self._case, self._write = asyncio.Runner(), folder, case, write
        write(folder, 1)
        self._models = ModelRepository(folder)
        self._models.load()
        case.store.durable = True
        self.streams = self._registry()

    @property
    def version(self) -> int:
        return _versions(self._folder)

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def connect(self, stream_id: str) -> Session:
        listener = _Listener()
        return _LocalSession(
            self, self.run(self.streams.open(MODEL, listener, stream_id=stream_id)), listener
        )

    def flush(self) -> None:
        self.run(self.streams.flush())

    def reload(self) -> None:
        self._write(self._folder, self.version + 1)
        self.run(self._models.reload())

    def outage(self, *, down: bool) -> None:
        """The store does not answer, until it is back or the process is gone."""
        self.streams.store = _Down() if down else self._case.store  # type: ignore[assignment]

    def crash(self) -> None:
        """The process is gone, and another one begins with the same store: nothing is written on the way."""
        for session in self.streams:
            session.engine.detach(session.slot)
        self.streams = self._registry()

    def expire(self) -> None:
        """All records are forgotten; live streams are written again, as twice in that time they would be."""
        self.run(self._case.pass_time(TTL_SECONDS + 1))
        for session in self.streams:
            session.written = None

    def close(self) -> None:
        self.crash()
        self._models.close()
        self.run(self._case.close())
        self._runner.close()

    def _registry(self) -> StreamManager:
        return StreamManager(
            self._models,
            self._case.store,
            ServiceStats(),
            snapshot_interval_seconds=1000,
            ttl_seconds=TTL_SECONDS,
            idle_timeout_seconds=1000,
            quotas=Quotas(max_streams=100, max_opens_per_minute=1_000_000),
        )


class _RemoteSession:
    def __init__(self, world: "RemoteWorld", stream_id: str) -> None:
        self._world, self._id, self._saved = world, stream_id, 0
        url = f"{world.server.url(MODEL)}?stream_id={stream_id}"
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(url, compression=None, proxy=None))
        ready = self._hear()
        self.hello = Hello(
            updates=_parsed(ready["updates"]),
            **{name: ready[name] for name in ("resumed", "sequence", "next", "wake", "updates_from")},
        )

    def _hear(self) -> dict[str, Any]:
        while True:
            said: dict[str, Any] = json.loads(self._socket.recv(30))
            self._saved = said.get("saved", self._saved)
            if said.get("type") != "saved":
                return said

    def _say(self, **fields: Any) -> None:
        self._socket.send(json.dumps(fields))

    def send(self, x: Samples, t: int) -> Answer | str:
        self._say(x=x.tolist(), t=t)
        return self._answer()

    def miss(self, n: int, t: int) -> Answer | str:
        self._say(missed=n, t=t)
        return self._answer()

    def _answer(self) -> Answer | str:
        said = self._hear()
        if said.get("type") == "error":
            return str(said["code"])
        return Answer(said["t"], said["wake"], _parsed(said["updates"]))

    def reset(self) -> None:
        self._say(type="reset")

    def end(self) -> None:
        self._say(type="end")
        assert [self._hear()["type"] for _ in range(2)] == ["ended", "closed"]
        assert self.close_code() == 1000
        self._world.server.call(self._gone())

    def drop(self) -> None:
        self.hang_up()
        self._world.server.call(self._gone())

    def hang_up(self) -> None:
        self._stack.close()

    async def _gone(self) -> None:
        streams = self._world.server.state.streams
        async with asyncio.timeout(20):
            while any(session.id == self._id for session in streams):
                await asyncio.sleep(0.001)
            await settled(streams)

    def close_code(self) -> int | None:
        try:
            while True:
                self._socket.recv(30)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def saved(self) -> int:
        raise NotImplementedError("the store of this world is not durable")


class RemoteWorld:
    """A server that is up; streams of one world are named apart from those of all others."""

    _number = 0

    def __init__(self, server: Running, folder: Path, write: Callable[[Path, int], object]) -> None:
        self.server, self._folder, self._write = server, folder, write
        RemoteWorld._number += 1
        self._name = f"world-{RemoteWorld._number}"
        self._sessions: list[_RemoteSession] = []

    @property
    def version(self) -> int:
        return _versions(self._folder)

    def connect(self, stream_id: str) -> Session:
        self._sessions.append(_RemoteSession(self, f"{self._name}-{stream_id}"))
        return self._sessions[-1]

    def flush(self) -> None:
        self.server.call(self.server.state.streams.flush())

    def reload(self) -> None:
        self._write(self._folder, self.version + 1)
        self.server.call(self.server.state.models.reload())

    def close(self) -> None:
        for session in self._sessions:
            session.hang_up()
        for session in self._sessions:
            session.drop()


def _pairs(updates: "list[Update] | Any") -> Updates:
    return [(update.t, bytes(update.y)) for update in updates]


def _parsed(updates: list[dict[str, Any]]) -> Updates:
    return [(update["t"], np.array(update["y"], "<f4").tobytes()) for update in updates]
