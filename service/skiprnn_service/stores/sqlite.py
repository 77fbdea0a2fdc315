"""A Store in one SQLite file: streams survive the process. One machine; several processes may share the file.

Write-ahead log, synchronous=FULL: a transaction that committed is on the disk. Everything runs on one thread. All calls
that arrive while a transaction runs share the next one: a thousand claims at once wait for a handful of disk flushes,
not for a thousand. Epochs are checked inside the transaction.

A stream has one row. Its stage is what the row holds: nothing but the epoch, because the stream ended or was never
saved (0), a live stream (1), or a parked one (2).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.errors import SnapshotError, StoreError
from skiprnn_service.stores.base import FENCE_SECONDS, Claim, Key, Record
from skiprnn_service.stores.principals import to_drop
from skiprnn_service.stores.snapshot import dumps, loads_as, readable

SCHEMA = 1

_SWEEP_SECONDS = 1.0
_SWEEP_ROWS = 1_000  # deleted at once: a few milliseconds
_LOG_BYTES = 64 << 20  # a write-ahead log that grew larger is cut back

_ENDED, _LIVE, _PARKED = range(3)

_CREATE = f"""
    CREATE TABLE streams (
        model TEXT NOT NULL, stream_id TEXT NOT NULL, epoch INTEGER NOT NULL, stage INTEGER NOT NULL,
        expires_at REAL NOT NULL, snapshot BLOB, UNIQUE (model, stream_id));
    CREATE INDEX by_expiry ON streams (stage, expires_at);
    CREATE TABLE counter (epoch INTEGER NOT NULL);
    PRAGMA user_version = {SCHEMA};
"""
_PRINCIPAL = "rtrim(substr(stream_id, 1, instr(stream_id, '/')), '/')"
# Parked streams alone: writes of live ones, which are many, leave it as it is.
_INDEX = f"CREATE INDEX IF NOT EXISTS by_principal ON streams ({_PRINCIPAL}, expires_at) WHERE stage = 2"
_COUNTS = f"""
    SELECT {_PRINCIPAL}, count(*) FROM streams INDEXED BY by_principal WHERE stage = 2
    GROUP BY 1 ORDER BY 2 DESC LIMIT {_SWEEP_ROWS}
"""
_OLDEST_PARKED = f"""
    SELECT rowid, stage FROM streams INDEXED BY by_principal WHERE stage = 2 AND {_PRINCIPAL} = ?
    ORDER BY expires_at LIMIT ?
"""
_FIND = "SELECT snapshot FROM streams WHERE model = ? AND stream_id = ? AND stage > 0 AND expires_at > ?"
_COUNT = "SELECT count(*) FROM streams WHERE stage = ? AND expires_at > ?"
_LATEST = """
    SELECT snapshot, model, stream_id FROM streams WHERE stage = ? AND expires_at > ?
    ORDER BY expires_at DESC LIMIT ?
"""
_WRITE = """
    INSERT INTO streams VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET epoch = excluded.epoch, stage = excluded.stage, expires_at = excluded.expires_at, snapshot = excluded.snapshot
    WHERE epoch <= ? OR expires_at <= ?
"""
_EXPIRED = "SELECT rowid, stage FROM streams WHERE stage IN (0, 1, 2) AND expires_at <= ? LIMIT ?"
_OLDEST = "SELECT rowid, stage FROM streams WHERE stage IN (1, 2) ORDER BY expires_at LIMIT ?"

T = TypeVar("T")


class _Job(NamedTuple):
    """An action, and the future of its result."""

    action: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]


class SqliteStore:
    """A Store in one file; the module's text has its guarantees.

    Args:
        path: of the file; it is made, readable by its owner alone, in a folder that exists, on a local disk.
        ttl_seconds: after the latest claim or save, a stream expires.
        capacity: snapshots; when there are more, the oldest of the principal with most parked are deleted.
        per_principal: parked snapshots of one principal, likewise.
        timeout_seconds: after which a call is a StoreError.
        clock: seconds since 1970, as all processes of the file have them.
    """

    durable = True
    shared = True

    def __init__(
        self,
        path: str | Path,
        *,
        ttl_seconds: float,
        capacity: int = 100_000,
        per_principal: int = 10_000,
        timeout_seconds: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.expired = self.damaged = 0
        self._path, self._ttl_seconds, self._capacity = Path(path), ttl_seconds, capacity
        self._per_principal = per_principal
        self._timeout_seconds, self._clock = timeout_seconds, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="skiprnn-sqlite")
        self._jobs: list[_Job] = []
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self._connection: sqlite3.Connection | None = None  # the thread's alone
        self._inode: int | None = None  # of the file that is connected
        self._vanished = 0  # times that it was another file than the one that was connected
        self._swept_at = 0.0

    @property
    def generation(self) -> object:
        return self._vanished, _inode(self._path)

    async def claim(self, model: str, stream_id: str) -> Claim:
        return await self._do(partial(self._claim, model, stream_id))

    async def save(self, records: Sequence[Record]) -> set[Key]:
        return await self._do(partial(self._save, records)) if records else set()

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        await self._do(partial(self._delete, model, stream_id, epoch))

    async def count(self) -> int:
        return await self._do(self._count)

    async def parked(self, limit: int) -> list[Snapshot]:
        return await self._do(partial(self._parked, limit))

    async def check(self) -> None:
        await self._do(lambda connection: connection.execute("UPDATE counter SET epoch = epoch").rowcount)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._worker:
            await asyncio.wait([self._worker], timeout=self._timeout_seconds)
        disconnected = asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown(wait=False)
        await asyncio.wait([disconnected], timeout=self._timeout_seconds)

    # -- one transaction for all waiting calls

    async def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """The result of an action that ran on the thread, in a transaction which is now on the disk."""
        if self._closed:
            raise StoreError(f"{self._path}: the store is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.append(_Job(action, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await future
        except TimeoutError:
            raise StoreError(f"{self._path}: no answer within {self._timeout_seconds:g} s") from None

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._jobs:
                jobs = [job for job in self._jobs if not job.future.done()]  # the others timed out
                self._jobs = []
                if not jobs:
                    break
                actions = [job.action for job in jobs]
                outcomes = await loop.run_in_executor(self._thread, self._transact, actions)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    _settle(job.future, outcome)
        finally:
            self._worker = None

    def _transact(self, actions: Sequence[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        """Results of the actions, or what they raised. What the file itself raised undoes all of them."""
        try:
            if self._connection and self._inode != _inode(self._path):
                self._vanished += 1
                self._disconnect()  # the file was removed: writes to it would be lost
            connection = self._connection or self._connect()
            connection.execute("BEGIN IMMEDIATE")
            self._sweep(connection)
            outcomes = [_outcome(action, connection) for action in actions]
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError, StoreError) as error:
            self._disconnect()  # the next transaction starts afresh, whatever state this one is in
            return [StoreError(f"{self._path}: {error}{_way_out(self._path)}")] * len(actions)
        return outcomes

    def _connect(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        # Half the time for a lock, so that its error comes before the call's own timeout.
        connection = sqlite3.connect(self._path, timeout=self._timeout_seconds / 2, isolation_level=None)
        self._connection, self._inode = connection, _inode(self._path)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        connection.execute("BEGIN IMMEDIATE")
        self._prepare(connection)
        connection.execute("COMMIT")
        self._log_ahead(connection)
        return connection

    def _log_ahead(self, connection: sqlite3.Connection) -> None:
        """Switch to the write-ahead log. Here SQLite itself does not wait while others open the file."""
        deadline = time.monotonic() + self._timeout_seconds / 2
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and tables == 0:
            for statement in _CREATE.split(";"):
                connection.execute(statement)
            # Larger than any epoch of an earlier file whose owners may still be alive.
            connection.execute("INSERT INTO counter VALUES (?)", (int(self._clock() * 1e6),))
        elif version != SCHEMA:
            raise StoreError(f"expected an empty file or a store of schema {SCHEMA}, got schema {version}")
        connection.execute(_INDEX)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(sqlite3.Error):
                connection.close()

    # -- what a transaction consists of

    def _claim(self, model: str, stream_id: str, connection: sqlite3.Connection) -> Claim:
        now, key = self._clock(), (model, stream_id)
        connection.execute("UPDATE counter SET epoch = epoch + 1")
        (epoch,) = connection.execute("SELECT epoch FROM counter").fetchone()
        found = connection.execute(_FIND, (*key, now)).fetchone()
        snapshot, damage = None, None
        if found:
            try:
                snapshot = loads_as(found[0], model, stream_id)
            except SnapshotError as error:
                damage = error
                self.damaged += 1
        stage, data = (_LIVE, found[0]) if snapshot else (_ENDED, None)
        connection.execute(_WRITE, (*key, epoch, stage, now + self._ttl_seconds, data, epoch, now))
        if damage:
            raise damage
        return Claim(epoch, snapshot)

    def _save(self, records: Sequence[Record], connection: sqlite3.Connection) -> set[Key]:
        now, fenced = self._clock(), set[Key]()
        expires_at = now + self._ttl_seconds
        for record in records:
            stage, data = _PARKED if record.parked else _LIVE, dumps(record.snapshot)
            row = (*record.key, record.epoch, stage, expires_at, data, record.epoch, now)
            if connection.execute(_WRITE, row).rowcount == 0:
                fenced.add(record.key)
        return fenced

    def _delete(self, model: str, stream_id: str, epoch: int, connection: sqlite3.Connection) -> None:
        now = self._clock()
        connection.execute(
            _WRITE, (model, stream_id, epoch + 1, _ENDED, now + FENCE_SECONDS, None, epoch, now)
        )

    def _count(self, connection: sqlite3.Connection) -> int:
        found = connection.execute(_COUNT, (_PARKED, self._clock())).fetchone()
        return int(found[0])

    def _parked(self, limit: int, connection: sqlite3.Connection) -> list[Snapshot]:
        rows = connection.execute(_LATEST, (_PARKED, self._clock(), limit)).fetchall()
        return list(readable(rows))

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Delete some of the expired rows, now and then."""
        now = self._clock()
        if abs(now - self._swept_at) < _SWEEP_SECONDS:
            return
        self._swept_at = now
        self._forget(connection, connection.execute(_EXPIRED, (now, _SWEEP_ROWS)).fetchall())
        (count,) = connection.execute("SELECT count(*) FROM streams WHERE stage > 0").fetchone()
        excess = min(max(count - self._capacity, 0), _SWEEP_ROWS)
        excess -= self._drop_parked(connection, excess)
        if excess > 0:  # live streams alone
            self._forget(connection, connection.execute(_OLDEST, (excess,)).fetchall())

    def _drop_parked(self, connection: sqlite3.Connection, excess: int) -> int:
        """Those over the bounds; returns how many."""
        counts = connection.execute(_COUNTS).fetchall()
        rows = list[tuple[int, int]]()
        for principal, n in to_drop(counts, excess=excess, bound=self._per_principal).items():
            rows += connection.execute(_OLDEST_PARKED, (principal, n)).fetchmany(_SWEEP_ROWS - len(rows))
        self._forget(connection, rows)
        return len(rows)

    def _forget(self, connection: sqlite3.Connection, rows: list[tuple[int, int]]) -> None:
        connection.executemany("DELETE FROM streams WHERE rowid = ?", [(rowid,) for rowid, _ in rows])
        self.expired += sum(stage != _ENDED for _, stage in rows)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _way_out(path: Path) -> str:
    """What to do about an error, where the path is its reason."""
    folder = path.absolute().parent
    if path.is_dir():
        return "; expected a file, got a folder"
    if folder.is_dir():
        return ""
    slashes = "sqlite:///PATH is relative to the current folder, sqlite:////PATH is absolute"
    return f"; expected a folder at {folder}, found none ({slashes})"


def _outcome(action: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection) -> Any:
    """What an action returns or raises, unless the file itself failed."""
    try:
        return action(connection)
    except sqlite3.Error:
        raise
    except Exception as error:
        return error


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():  # its caller timed out
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
