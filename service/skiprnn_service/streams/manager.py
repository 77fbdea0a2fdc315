"""The live streams of this process: who owns each, what of it is saved, and how it ends.

    open → live ─ park → in the store, until the same id opens it again or it expires
                ├ end → gone
                ├ opened by a newer connection, here or at another replica → lost (4409)
                ├ idle for idle_timeout_seconds → parked, lost (4408)
                └ drain → parked, lost (1012)

Ownership. The store numbers owners by epochs, and fences a write whose epoch is not the newest. These hold:

1. A process writes a stream under the epoch of its own claim, or under epoch 0. Epoch 0 is a stream whose id was made
   here while the store was down. No claim of that id was ever sent from here, so its first write is accepted if no
   replica has claimed the id since, and fenced otherwise. Two processes never write the same stream under one epoch.
2. A stream that is in this process, live or parked and not yet written, goes to a newer connection under the epoch
   that it has. The write at that moment proves that no replica has claimed it. Where the store is down, the next write
   that it answers is the proof.
3. A fenced write changes nothing in the store and costs the stream its connection here (4409): the state of the
   replica that claimed it stands. While the store is down that replica is not visible here. A client that comes back
   from it may then be given an older state; it sees that by `next` and `wake` of `ready`.
4. A state that is neither live nor in the store is in `_unsaved`, whatever an `await` in between ends with.
5. An opening waits until an earlier stream of its id, which ended, is gone from the store.
6. Room (capacity, quotas) is taken before the first `await` that follows, and held until the stream is live. Whether
   the server drains and which version is served are decided after the last one.

A store that is slow or down never blocks a live stream: what could not be saved is written again later.
"""

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote
from weakref import WeakValueDictionary

from skiprnn_service.background import every, log_failure
from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.errors import (
    MessageError,
    ModelError,
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
_SWEEPS = 4  # checks of a stream within idle_timeout_seconds
_DRAIN_SECONDS = 2.0  # for each of two attempts to save while the server stops

_log = logging.getLogger(__name__)


class StreamManager:
    """All live streams of a process.

    Args:
        models: where engines are.
        store: where streams are saved.
        stats: counts.
        snapshot_interval_seconds: between two rounds of `flush`; for durable stores alone.
        ttl_seconds: of a record in the store: live streams that do not move are written again before it expires.
        idle_timeout_seconds: after which a stream without messages is parked.
        quotas: what one principal may have.

    Attributes:
        store_problem: why the latest write to the store failed; None: it did not.
        draining: no stream is opened any more.
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
        self._unsaved: dict[Key, Record] = {}  # parked here: the store does not have them yet
        self._locks = WeakValueDictionary[Key, asyncio.Lock]()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: dict[Key, asyncio.Task[None]] = {}  # streams that ended and that the store still has
        self._refreshed_at = time.monotonic()
        self._store_generation: object = None
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
        tasks = [asyncio.create_task(every(self._idle / _SWEEPS, self._sweep))]
        if self.store.durable:
            tasks.append(asyncio.create_task(every(self._interval, self._flush_or_refresh)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._live or not self.draining:
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
            version: of the model; None is the stream's own, else the latest. A stream that is known goes on with a
                version that is not served any more, as long as it is still loaded here.
            threshold: of the gate, in [0.5, 1]; None is the stream's own, else the model's.
            principal: whose stream it is; "" without authentication.

        Raises:
            UnknownModelError, ModelError: there is no such model, or it is not served.
            MessageError: stream_id has characters that an id cannot have.
            OverloadError: all streams are in use, or the server is draining.
            QuotaError: the principal has too many streams, or opens them too fast.
            ThresholdError: threshold is out of range.
            SnapshotError: the stream cannot go on here: its model changed, or its snapshot is damaged.
            StoreError: the store is down, and the stream is not in this process.
        """
        known = stream_id is not None
        key = _key(model, _checked(stream_id) if stream_id is not None else _new_id(), principal)
        expected = self._expected(key, version, known=known)
        if threshold is not None and expected is not None:
            await asyncio.to_thread(expected.engine.check_threshold, threshold)
        async with self._locked(key):
            while ending := self._ending.get(key):
                await asyncio.wait([ending])
            with self._room(key, self._expected(key, version, known=known), principal):
                owned = await self._own(key, known=known)
                try:
                    return self._start(
                        owned, listener, version=version, threshold=threshold, principal=principal
                    )
                except SkipRnnServiceError:
                    await self._put_back(owned)
                    raise

    async def park(self, session: StreamSession) -> None:
        """The client disconnected: save the stream for its return."""
        if not session.live:
            return
        if not session.slot.samples and not session.resumed:  # there is nothing to return to
            session.engine.end(session.slot, lambda: self.ended(session))
            return
        async with self._locked(session.key):
            if session.live:
                await self._save_parked([self._detach(session)])

    def ended(self, session: StreamSession) -> None:
        """The engine ended the stream: forget it."""
        self._let_go(session)
        self._ending[session.key] = self._in_background(self._forget(session.key, session.epoch))

    async def drain(self, seconds: float) -> None:
        """Open no stream any more and announce the end; after `seconds` park and close those that are left."""
        self.draining = True
        for session in self:
            _notify(session, session.listener.on_go_away, seconds)
        if self._live and seconds:
            await asyncio.sleep(seconds)
        saving = True
        while self._live:
            batch = list(itertools.islice(self._live.values(), _BATCH))
            records = [self._detach(session) for session in batch]
            if saving:
                saving = await self._save_parked(records)
            else:  # their clients wait for nothing that is likely to happen
                self._unsaved |= {record.key: record for record in records}
                await asyncio.sleep(0)
            for session in batch:
                _lost(session, RESTART, "the server restarts; connect again with the same stream_id")
        await self._save_parked([])  # a last attempt for what the store did not accept

    # -- saving

    async def flush(self) -> None:
        """Write what changed. After a failure the next call tries again; meanwhile `saved` does not move."""
        self._notice_loss()
        if self._unsaved and not await self._save_parked([]):
            return
        changed = [session for session in self if session.written != session.progress]
        if not changed and self.store_problem is not None:
            await self._ask_store()
        for start in range(0, len(changed), _BATCH):
            batch = [session for session in changed[start : start + _BATCH] if session.live]
            if not await self._save_live(batch):
                return
            await asyncio.sleep(0)

    def _notice_loss(self) -> None:
        """What the store lost is written again, as far as it is here."""
        generation = self.store.generation
        if generation != self._store_generation:
            self._store_generation = generation
            self._write_all_again()

    def _write_all_again(self) -> None:
        for session in self:
            session.written = None

    async def _ask_store(self) -> None:
        """Nothing is to be written that would show whether the store is back."""
        try:
            await self.store.check()
        except StoreError as error:
            self._store_failed(error)
        else:
            self.store_problem = None

    async def _save_live(self, batch: list[StreamSession]) -> bool:
        states = [(session, session.progress) for session in batch]
        fenced = await self._save(_records(batch))
        if fenced is None:
            return False
        for session, progress in states:
            if session.key in fenced:
                self._lose(session)
            elif session.live:
                session.written = progress
                self._saved(session, progress)
        return True

    def _saved(self, session: StreamSession, progress: tuple[int, int]) -> None:
        if self.store.durable and progress[0] == session.slot.sequence:
            session.saved = progress[1]
            _notify(session, session.listener.on_saved)

    async def _save_parked(self, records: list[Record]) -> bool:
        """Park these and whatever could not be parked before. False: the store is down, and they stay here."""
        self._unsaved |= {record.key: record for record in records}
        tried = list(self._unsaved.items())
        if tried and await self._save([record for _, record in tried]) is None:
            return False
        for key, record in tried:
            if self._unsaved.get(key) is record:
                del self._unsaved[key]
            elif key in self._live:  # taken up during this write, which has marked it as parked
                self._live[key].written = None
        return True

    async def _save(self, records: list[Record]) -> set[Key] | None:
        """The keys that are fenced; None: the store is down."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS if self.draining else None):
                fenced = await self.store.save(records)
        except TimeoutError:
            self._store_failed(StoreError(f"no answer within {_DRAIN_SECONDS:g} s"))
            return None
        except StoreError as error:
            self._store_failed(error)
            return None
        self.store_problem = None
        return fenced

    def _store_failed(self, error: StoreError) -> None:
        if self.store_problem is None:
            _log.error("streams are not saved for now: %s", error)
        self.store_problem = str(error)
        self._stats.store_failures += 1

    async def _flush_or_refresh(self) -> None:
        """One round; before they expire, records of streams that do not move are written again too."""
        now = time.monotonic()
        if now + self._interval > self._refreshed_at + self._ttl / 2:
            self._refreshed_at = now
            self._write_all_again()
        await self.flush()

    # -- opening

    @asynccontextmanager
    async def _locked(self, key: Key) -> AsyncIterator[None]:
        """One at a time for one stream."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            yield

    def _expected(self, key: Key, version: str | None, *, known: bool) -> LoadedModel | None:
        """The model that the stream will run on; None: its snapshot decides, as `version` is not served."""
        live = self._live.get(key)
        if live is not None:
            _check_version(live.model.version, version)
            return live.model
        try:
            return self._models.get(key[0], version)
        except (UnknownModelError, ModelError):
            if known and self._models.knows(key[0]):
                return None
            raise

    @contextmanager
    def _room(self, key: Key, model: LoadedModel | None, principal: str) -> Iterator[None]:
        """Room for one stream more while it is being opened. A live stream of this id gives its own."""
        if self.draining:
            raise _draining()
        replaces = key in self._live
        self._quotas.admit(principal, replaces=replaces)
        try:
            if model is None:
                yield
            else:
                with model.engine.room(replaces=replaces):
                    yield
        except BaseException:
            self._quotas.closed(principal)
            raise

    async def _own(self, key: Key, *, known: bool) -> "_Owned":
        """Become the stream's owner."""
        live = self._live.get(key)
        if live is not None:
            self._unsaved[key] = self._detach(live)
            _lost(live, OWNED_ELSEWHERE, "the stream was opened by another connection")
        waiting = self._unsaved.get(key)
        owned = await self._hand_over(waiting) if waiting else None
        return owned or await self._claim(key, known=known)

    async def _hand_over(self, waiting: Record) -> "_Owned | None":
        """Own a stream that is in this process, under its epoch. None: a replica has claimed it."""
        fenced = await self._save([waiting._replace(parked=False)])
        if fenced:
            self._unsaved.pop(waiting.key, None)
            return None
        return _Owned(waiting.key, waiting.epoch, waiting.snapshot, written=fenced is not None)

    async def _claim(self, key: Key, *, known: bool) -> "_Owned":
        if not known and self.store_problem is not None:  # a new id is in no store: do not wait for this one
            return _Owned(key, 0, None, written=False)
        try:
            epoch, snapshot = await self.store.claim(*key)
        except StoreError as error:
            self._store_failed(error)
            if known:
                raise
            other = key[0], f"{key[1]}~"  # the store may still carry out the claim of this one
            return _Owned(other, 0, None, written=False)
        if snapshot is not None:
            self._unsaved[key] = Record(epoch, True, snapshot)
        return _Owned(key, epoch, snapshot, written=True)

    def _start(
        self,
        owned: "_Owned",
        listener: Listener,
        *,
        version: str | None,
        threshold: float | None,
        principal: str,
    ) -> StreamSession:
        """Make an owned stream live. Nothing is awaited here: what is checked holds when it is live."""
        if self.draining:
            raise _draining()
        key, epoch, snapshot, written = owned
        model = self._models.get(key[0], version) if snapshot is None else self._model_of(snapshot, version)
        slot = model.engine.open(
            key[1],
            on_reply=listener.on_reply,
            on_error=listener.on_error,
            snapshot=snapshot,
            threshold=threshold,
            principal=principal,
        )
        session = StreamSession(model=model, slot=slot, epoch=epoch, listener=listener, principal=principal)
        if snapshot is not None:
            self._resumed(session, written=written)
        self._unsaved.pop(key, None)
        self._live[key] = session
        return session

    def _resumed(self, session: StreamSession, *, written: bool) -> None:
        """The stream was known and goes on."""
        session.resumed = True
        if written:
            session.written = session.progress
            session.saved = session.slot.next if self.store.durable else 0
        self._stats.resumed += 1

    def _model_of(self, snapshot: Snapshot, version: str | None) -> LoadedModel:
        """A stream stays on the version that it began with."""
        _check_version(snapshot.version, version)
        try:
            return self._models.get(snapshot.model, snapshot.version, sha256=snapshot.bundle_sha256)
        except UnknownModelError as error:
            raise SnapshotError(
                f"version {snapshot.version} of the stream's model is gone: {error}"
            ) from None

    async def _put_back(self, owned: "_Owned") -> None:
        if owned.snapshot is not None:
            await self._save_parked([Record(owned.epoch, True, owned.snapshot)])

    # -- closing

    def _detach(self, session: StreamSession) -> Record:
        """Take a stream off its engine."""
        record = Record(session.epoch, True, session.engine.detach(session.slot))
        self._let_go(session)
        return record

    def _let_go(self, session: StreamSession) -> None:
        del self._live[session.key]
        self._quotas.closed(session.principal)

    def _lose(self, session: StreamSession) -> None:
        """Another replica owns the stream now: the state here is outdated."""
        if session.live:
            self._detach(session)
            _lost(session, OWNED_ELSEWHERE, "the stream was opened at another server")

    async def _forget(self, key: Key, epoch: int) -> None:
        """Openings of this stream wait for it: they would find its record."""
        try:
            await self.store.delete(*key, epoch)
        except StoreError as error:  # its record expires
            self._store_failed(error)
        finally:
            del self._ending[key]

    async def _sweep(self) -> None:
        for session in self:
            session.idle_sweeps += 1
            if session.idle_sweeps > _SWEEPS and session.live:
                self._stats.idle += 1
                self._in_background(self.park(session))
                _lost(session, IDLE, f"no message for {self._idle:g} s")

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_failure)
        return task


class _Owned(NamedTuple):
    """A stream of this process that is not live yet; `written`: the store has the snapshot under this epoch."""

    key: Key
    epoch: int
    snapshot: Snapshot | None
    written: bool


def _records(sessions: list[StreamSession]) -> list[Record]:
    """Of live streams, in any order; the states of each engine are fetched together."""
    by_engine: dict[Engine, list[StreamSession]] = defaultdict(list)
    for session in sessions:
        by_engine[session.engine].append(session)
    return [
        Record(session.epoch, False, snapshot)
        for engine, of_it in by_engine.items()
        for session, snapshot in zip(
            of_it, engine.snapshots([session.slot for session in of_it]), strict=True
        )
    ]


def _lost(session: StreamSession, code: int, reason: str) -> None:
    _notify(session, session.listener.on_lost, code, reason)


def _notify(session: StreamSession, callback: Callable[..., None], *args: Any) -> None:
    """A listener that raises must not cost other streams anything."""
    try:
        callback(*args)
    except Exception as raised:
        message = f"model {session.model.name!r}, stream {session.id!r}: a listener raised"
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": raised})


def _draining() -> OverloadError:
    return OverloadError("the server is about to stop", retry_after_seconds=5)


def _key(model: str, stream_id: str, principal: str) -> Key:
    return model, f"{quote(principal, safe='')}/{stream_id}" if principal else stream_id


def _new_id() -> str:
    return secrets.token_urlsafe(16)


def _checked(stream_id: str) -> str:
    if not _ID.fullmatch(stream_id):
        expected = "1 to 128 letters, digits, '.', '_', '~' or '-'"
        raise MessageError(f"stream_id: expected {expected}, got {stream_id!r:.150}")
    return stream_id


def _check_version(own: str, asked: str | None) -> None:
    if asked not in (None, own):
        raise SnapshotError(f"the stream runs on version {own}, not on {asked!r}")
