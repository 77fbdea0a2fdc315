"""The live streams of this process: who owns each, what of it is saved, and how it ends.

    open → live ─ park → in the store, until the same id opens it again or its time is over
                ├ end → gone
                ├ open elsewhere, here or in another replica → lost (4409): the newest owner wins
                ├ says nothing for long → parked, lost (4408)
                └ drain → parked, lost (1012)

A stream has one owner. The store counts owners in epochs; a write of an older epoch does nothing, and says so.
A store that is slow or down never blocks a stream: what could not be saved is kept here and tried again.
"""

import asyncio
import itertools
import logging
import re
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.errors import (
    MessageError,
    OverloadError,
    SkipRnnServiceError,
    SnapshotError,
    StoreError,
    UnknownModelError,
)
from skiprnn_service.models.repository import LoadedModel, ModelRepository
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores.base import Key, Record, Store
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.streams.session import Listener, StreamSession

IDLE, OWNED_ELSEWHERE, RESTART = 4408, 4409, 1012  # close codes (docs/reference/protocol.md)

_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_BATCH = 256  # snapshots a turn of the loop: taking one costs a few microseconds
_SWEEPS = 4  # looks at a stream within idle_timeout_seconds

_log = logging.getLogger(__name__)


class StreamManager:
    """All live streams of a process.

    Args:
        models: where engines are.
        store: where streams survive.
        stats: counts.
        snapshot_interval_seconds: between two rounds of `flush`; for durable stores alone.
        ttl_seconds: of a record in the store: live streams that stand still are written again before it is over.
        idle_timeout_seconds: after which a stream that says nothing is parked.
        quotas: what one principal may have.

    Attributes:
        store_problem: why the store could not be written lately; None: it could.
        draining: nothing is opened any more.
    """

    def __init__(
        self,
        models: ModelRepository,
        store: Store,
        stats: ServiceStats,
        *,
        snapshot_interval_seconds: float,
        ttl_seconds: float,
        idle_timeout_seconds: float,
        quotas: Quotas,
    ) -> None:
        self._models, self.store, self._stats = models, store, stats
        self._interval, self._ttl, self._idle = snapshot_interval_seconds, ttl_seconds, idle_timeout_seconds
        self._quotas = quotas
        self._live: dict[Key, StreamSession] = {}
        self._unsaved: dict[Key, Record] = {}  # parked while the store was down
        self._locks = WeakValueDictionary[Key, asyncio.Lock]()
        self._tasks: set[asyncio.Task[None]] = set()
        self.store_problem: str | None = None
        self.draining = False

    def __iter__(self) -> Iterator[StreamSession]:
        """All live streams."""
        return iter(list(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Save and sweep in the background while the block runs; at its end park every stream."""
        tasks = [asyncio.create_task(self._sweep_forever())]
        if self.store.durable:
            tasks.append(asyncio.create_task(self._flush_forever()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.drain(0)
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- a stream's life

    async def open(
        self,
        model: str,
        listener: Listener,
        *,
        stream_id: str | None = None,
        version: str | None = None,
        threshold: float | None = None,
        principal: str = "",
    ) -> StreamSession:
        """Start a stream, or take over the one of this id, wherever it is.

        Args:
            stream_id: None makes an unguessable one. The ids of different principals never meet.
            version: of the model; None is the stream's own, else the latest.
            threshold: of the gate, in [0.5, 1]; None is the stream's own, else the model's.
            principal: whose stream it is; "" where nobody has to say who they are.

        Raises:
            UnknownModelError, ModelError: there is no such model, or it is not served.
            MessageError: stream_id has characters that an id cannot have.
            OverloadError: all streams are in use, or the server is about to stop.
            QuotaError: the principal has too many streams, or opens them too fast.
            ThresholdError: threshold is out of range.
            SnapshotError: the stream cannot go on here: its model changed, or its snapshot is damaged.
            StoreError: the store is down, and only it knows whether the stream exists.
        """
        latest = self._models.get(model, version)
        known = stream_id is not None
        stream_id = _checked(stream_id) if stream_id is not None else secrets.token_urlsafe(16)
        if threshold is not None:
            await asyncio.to_thread(latest.engine.check_threshold, threshold)
        key = (model, f"{quote(principal, safe='')}/{stream_id}" if principal else stream_id)
        self._quotas.check(principal)
        async with self._locked(key):
            self._check_room(latest.engine)
            epoch, snapshot = await self._claim(key, known=known)
            try:
                served = latest if snapshot is None else self._model_of(snapshot, version)
                stream = served.engine.open(
                    key[1],
                    on_reply=listener.on_reply,
                    on_error=listener.on_error,
                    snapshot=snapshot,
                    threshold=threshold,
                    principal=principal,
                )
            except SkipRnnServiceError:
                await self._put_back(epoch, snapshot)
                raise
        session = StreamSession(stream_id, model=served, stream=stream, epoch=epoch, listener=listener)
        if snapshot is not None:
            self._resumed(session)
        self._live[key] = session
        self._quotas.opened(session.principal)
        return session

    async def park(self, session: StreamSession) -> None:
        """The client left: keep the stream for it."""
        if not session.live:
            return
        if not session.stream.samples and not session.resumed:  # nothing to come back for
            session.engine.end(session.stream, lambda: self.ended(session))
            return
        async with self._locked(session.key):
            if session.live:
                await self._save_parked([self._detach(session)])

    def ended(self, session: StreamSession) -> None:
        """The engine ended the stream: forget it."""
        self._let_go(session)
        self._in_background(self._forget(session.key, session.epoch))

    async def drain(self, seconds: float) -> None:
        """Open nothing more; tell everybody; after so many seconds park what is left and close it."""
        self.draining = True
        for session in self:
            session.listener.on_go_away(seconds)
        if self._live and seconds:
            await asyncio.sleep(seconds)
        while self._live:
            batch = list(itertools.islice(self._live.values(), _BATCH))
            await self._save_parked([self._detach(session) for session in batch])
            for session in batch:
                session.listener.on_lost(
                    RESTART, "the server restarts; connect again with the same stream_id"
                )
        await self._save_parked([])  # a last try for what the store did not take

    # -- saving

    async def flush(self) -> None:
        """Write what changed. A store that fails is tried again next time; meanwhile `saved` stands still."""
        if self._unsaved and not await self._save_parked([]):
            return
        changed = [session for session in self if session.written != session.position or not session.epoch]
        for start in range(0, len(changed), _BATCH):
            batch = [session for session in changed[start : start + _BATCH] if session.live]
            if not await self._save_live(batch):
                return
            await asyncio.sleep(0)

    async def _save_live(self, batch: list[StreamSession]) -> bool:
        try:
            for session in batch:
                if not session.epoch:  # opened while the store was down
                    session.epoch = (await self.store.claim(*session.key)).epoch
            positions = [(session, session.position) for session in batch if session.live]
            fenced = await self.store.save(_records([session for session, _ in positions]))
        except StoreError as error:
            self._store_failed(error)
            return False
        self.store_problem = None
        for session, position in positions:
            if session.key in fenced:
                self._lose(session)
            elif session.live:
                session.written = position
                self._saved(session, position)
        return True

    def _saved(self, session: StreamSession, position: tuple[int, int]) -> None:
        if self.store.durable and position[0] == session.stream.sequence:
            session.saved = position[1]
            session.listener.on_saved()

    async def _save_parked(self, records: list[Record]) -> bool:
        """Park these and whatever could not be parked before; keeps them here while the store is down."""
        waiting = {(record.snapshot.model, record.snapshot.stream_id): record for record in records}
        self._unsaved |= waiting
        tried = list(self._unsaved.items())
        try:
            if tried:
                await self.store.save([await self._owned(record) for _, record in tried])
        except StoreError as error:
            self._store_failed(error)
            return False
        for key, record in tried:
            if self._unsaved.get(key) is record:
                del self._unsaved[key]
        self.store_problem = None
        return True

    async def _owned(self, record: Record) -> Record:
        """A stream that was opened while the store was down gets its epoch now."""
        if record.epoch:
            return record
        claim = await self.store.claim(record.snapshot.model, record.snapshot.stream_id)
        return record._replace(epoch=claim.epoch)

    def _store_failed(self, error: StoreError) -> None:
        if self.store_problem is None:
            _log.error("streams are not saved for now: %s", error)
        self.store_problem = str(error)
        self._stats.store_failures += 1

    async def _flush_forever(self) -> None:
        rounds_to_refresh = max(int(self._ttl / self._interval / 2), 1)
        for number in itertools.count(1):
            await asyncio.sleep(self._interval)
            if number % rounds_to_refresh == 0:  # records of streams that stand still must not expire
                for session in self:
                    session.written = None
            try:
                await self.flush()
            except Exception:
                _log.exception("a round of saving streams failed")

    # -- opening

    @asynccontextmanager
    async def _locked(self, key: Key) -> AsyncIterator[None]:
        """One after another for one stream."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            yield

    def _check_room(self, engine: Engine) -> None:
        if self.draining:
            raise OverloadError("the server is about to stop", retry_after_seconds=5)
        if engine.live >= engine.capacity:
            raise OverloadError(f"model {engine.model!r}: all {engine.capacity} streams are in use")

    async def _claim(self, key: Key, *, known: bool) -> tuple[int, Snapshot | None]:
        """Become the stream's owner. Epoch 0: the store is down, and nobody else can know this id."""
        live = self._live.get(key)
        if live is not None:
            await self._save_parked([self._detach(live)])
            live.listener.on_lost(OWNED_ELSEWHERE, "the stream was opened by another connection")
        kept = self._unsaved.get(key)
        if kept is not None and not await self._save_parked([]):
            raise StoreError(f"the store does not answer: {self.store_problem}")
        try:
            return await self.store.claim(*key)
        except StoreError as error:
            self._store_failed(error)
            if known:
                raise
            return 0, None

    def _resumed(self, session: StreamSession) -> None:
        """The stream was known and goes on."""
        session.resumed, session.written = True, session.position
        session.saved = session.stream.next if self.store.durable else 0
        self._stats.resumed += 1

    def _model_of(self, snapshot: Snapshot, version: str | None) -> LoadedModel:
        """A stream stays on the version that it began with."""
        if version not in (None, snapshot.version):
            raise SnapshotError(f"the stream runs on version {snapshot.version}, not on {version!r}")
        try:
            return self._models.get(snapshot.model, snapshot.version, sha256=snapshot.bundle_sha256)
        except UnknownModelError as error:
            raise SnapshotError(
                f"version {snapshot.version} of the stream's model is gone: {error}"
            ) from None

    async def _put_back(self, epoch: int, snapshot: Snapshot | None) -> None:
        if snapshot is not None:
            await self._save_parked([Record(epoch, True, snapshot)])

    # -- closing

    def _detach(self, session: StreamSession) -> Record:
        """Take a stream off its engine."""
        record = Record(session.epoch, True, session.engine.detach(session.stream))
        self._let_go(session)
        return record

    def _let_go(self, session: StreamSession) -> None:
        del self._live[session.key]
        self._quotas.closed(session.principal)

    def _lose(self, session: StreamSession) -> None:
        """Another replica owns the stream now; what we have of it is old."""
        if session.live:
            self._detach(session)
            session.listener.on_lost(OWNED_ELSEWHERE, "the stream was opened at another server")

    async def _forget(self, key: Key, epoch: int) -> None:
        async with self._locked(key):
            self._unsaved.pop(key, None)
            try:
                await self.store.delete(*key, epoch)
            except StoreError as error:  # its record expires
                self._store_failed(error)

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(self._idle / _SWEEPS)
            for session in self:
                session.quiet += 1
                if session.quiet > _SWEEPS and session.live:
                    self._stats.idle += 1
                    reason = f"nothing was heard for {self._idle:g} s"
                    self._in_background(self.park(session))
                    session.listener.on_lost(IDLE, reason)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _records(sessions: list[StreamSession]) -> list[Record]:
    """Of live streams, in any order: one look at the states of each engine."""
    by_engine: dict[Engine, list[StreamSession]] = defaultdict(list)
    for session in sessions:
        by_engine[session.engine].append(session)
    return [
        Record(session.epoch, False, snapshot)
        for engine, of_it in by_engine.items()
        for session, snapshot in zip(
            of_it, engine.snapshots([session.stream for session in of_it]), strict=True
        )
    ]


def _checked(stream_id: str) -> str:
    if not _ID.fullmatch(stream_id):
        expected = "1 to 128 letters, digits, '.', '_', '~' or '-'"
        raise MessageError(f"stream_id: expected {expected}, got {stream_id!r:.150}")
    return stream_id
