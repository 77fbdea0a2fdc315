"""A SQLite store is on the disk when it says so, tells when it cannot write, and goes on when it can again."""

import asyncio
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from skiprnn_service.errors import StoreError
from skiprnn_service.stores.base import Record
from skiprnn_service.stores.sqlite import _COUNTS, SqliteStore
from support.stores import SNAPSHOT, TTL_SECONDS, Clock

KEY = (SNAPSHOT.model, SNAPSHOT.stream_id)

Open = Callable[..., SqliteStore]


@pytest.fixture
async def open_sqlite(tmp_path: Path) -> AsyncIterator[Open]:
    stores = list[SqliteStore]()

    def open_one(path: Path = tmp_path / "streams.db", **options: Any) -> SqliteStore:
        stores.append(SqliteStore(path, ttl_seconds=TTL_SECONDS, **options))
        return stores[-1]

    yield open_one
    for store in stores:
        await store.close()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Of all stores of the test, usable on its thread."""
    connect: Any = sqlite3.connect
    found = list[sqlite3.Connection]()

    def remember(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        found.append(connect(*args, **kwargs, check_same_thread=False))
        return found[-1]

    monkeypatch.setattr(sqlite3, "connect", remember)
    return found


async def put(store: SqliteStore, stream_id: str = SNAPSHOT.stream_id, *, size: int = 128) -> None:
    snapshot = SNAPSHOT._replace(stream_id=stream_id, state=b"\x01" * size)
    epoch, _ = await store.claim("watch", stream_id)
    assert not await store.save([Record(epoch, True, snapshot)])


# -- durable when told


WRITER = """
import asyncio, itertools, sys
from skiprnn_service.stores.sqlite import _COUNTS, SqliteStore
from skiprnn_service.stores.base import Record
from support.stores import SNAPSHOT, at

async def write(path, first):
    store = SqliteStore(path, ttl_seconds=60)
    streams = [SNAPSHOT._replace(stream_id=f"s{first + i}", state=bytes(4000)) for i in range(20)]
    claims = [await store.claim("watch", snapshot.stream_id) for snapshot in streams]
    for turn in itertools.count(1):
        records = [Record(c.epoch, False, at(s, next=turn)) for c, s in zip(claims, streams)]
        assert not await store.save(records)
        print(turn, flush=True)

asyncio.run(write(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize("turns", [1, 7, 40])
async def test_what_it_said_is_saved_survives_kill_9_of_two_processes(
    open_sqlite: Open, tmp_path: Path, turns: int
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "streams.db")]
    writers = [
        subprocess.Popen(
            [*command, str(first)], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)}
        )
        for first in (0, 100)
    ]
    told = [await asyncio.to_thread(read_until, writer, turns) for writer in writers]
    store = open_sqlite()
    for first, last in zip((0, 100), told, strict=True):
        for number in range(first, first + 20):
            found = (await store.claim("watch", f"s{number}")).snapshot
            assert found is not None
            assert found.position.next in (last, last + 1)  # the one it was writing
    assert store.damaged == 0


def read_until(writer: "subprocess.Popen[str]", turns: int) -> int:
    """Kill it once it has told so many times; the last number it told."""
    assert writer.stdout
    with writer:
        told = [int(writer.stdout.readline()) for _ in range(turns)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout]
    return told[-1]


async def test_writes_ahead_and_flushes_every_transaction(
    open_sqlite: Open, connections: list[sqlite3.Connection]
) -> None:
    await put(open_sqlite())
    assert connections[0].execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connections[0].execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


async def test_a_thousand_claims_at_once_share_a_few_transactions(
    open_sqlite: Open, connections: list[sqlite3.Connection]
) -> None:
    store, statements = open_sqlite(), list[str]()
    await store.check()
    connections[0].set_trace_callback(statements.append)
    await asyncio.gather(*(store.claim("watch", f"s{number}") for number in range(1000)))
    assert 1 <= statements.count("COMMIT") <= 5


async def test_nobody_but_its_owner_reads_the_file(open_sqlite: Open, tmp_path: Path) -> None:
    await put(open_sqlite())
    files = list(tmp_path.glob("streams.db*"))
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


# -- down and back


async def test_a_locked_file_is_an_error_in_time_and_then_it_goes_on(
    open_sqlite: Open, tmp_path: Path
) -> None:
    store = open_sqlite(timeout_seconds=0.4)
    await put(store)
    with closing(sqlite3.connect(tmp_path / "streams.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        calls = [store.claim(*KEY), store.save([Record(1, True, SNAPSHOT)]), store.count(), store.check()]
        found = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30)
        other.execute("ROLLBACK")
    assert [type(error) for error in found] == [StoreError] * 4
    assert all(re.search(r"streams.db: (database is locked|no answer)", str(error)) for error in found)
    assert (await store.claim(*KEY)).snapshot is not None


async def test_a_full_disk_is_an_error_that_loses_nothing_and_then_it_goes_on(
    open_sqlite: Open, connections: list[sqlite3.Connection]
) -> None:
    store = open_sqlite()
    await put(store, size=1000)
    (pages,) = connections[0].execute("PRAGMA page_count").fetchone()
    connections[0].execute(f"PRAGMA max_page_count = {pages + 2}")
    epoch, before = await store.claim(*KEY)
    others = [SNAPSHOT._replace(stream_id=f"s{number}", state=bytes(4000)) for number in range(9)]
    records = [Record(epoch, True, SNAPSHOT), *(Record(1, True, other) for other in others)]
    with pytest.raises(StoreError, match="database or disk is full"):
        await store.save(records)
    assert (await store.claim(*KEY)).snapshot == before
    assert await store.count() == 0
    epoch, _ = await store.claim(*KEY)
    assert not await store.save([record._replace(epoch=epoch) for record in records])
    assert await store.count() == 10


async def test_a_disk_that_hangs_is_an_error_in_time_and_then_it_goes_on(open_sqlite: Open) -> None:
    goes_on, clock = threading.Event(), Clock()

    def hang() -> float:
        goes_on.wait()
        return clock()

    store = open_sqlite(timeout_seconds=0.1, clock=hang)
    for call in (store.check, store.count, lambda: store.claim(*KEY)):
        with pytest.raises(StoreError, match=r"no answer within 0.1 s"):
            await asyncio.wait_for(call(), 30)
    goes_on.set()
    store = open_sqlite()
    await put(store)
    assert await store.count() == 1


async def test_who_gave_up_waiting_is_passed_over(open_sqlite: Open) -> None:
    store = open_sqlite()
    await store.check()
    tasks = [asyncio.create_task(store.claim("watch", f"s{number}")) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(error, asyncio.CancelledError) for error in found[::2])
    assert len({claim.epoch for claim in found[1::2]}) == 10  # type: ignore[union-attr]


async def test_what_cannot_be_a_row_fails_alone(open_sqlite: Open) -> None:
    store = open_sqlite()
    bad, good = store.claim("watch", "\ud800"), store.claim("watch", "good")
    failed, claim = await asyncio.gather(bad, good, return_exceptions=True)
    assert isinstance(failed, UnicodeEncodeError)
    assert not isinstance(claim, BaseException)
    assert claim.snapshot is None


async def test_a_closed_store_says_so(open_sqlite: Open) -> None:
    store = open_sqlite()
    await put(store)
    await store.close()
    with pytest.raises(StoreError, match="is closed"):
        await store.count()


async def test_a_file_that_was_taken_away_is_made_again_with_larger_epochs(
    open_sqlite: Open, tmp_path: Path
) -> None:
    stores = [open_sqlite(), open_sqlite()]
    await put(stores[0])
    epoch, _ = await stores[1].claim("watch", "live")
    for path in tmp_path.glob("streams.db*"):
        path.unlink()
    snapshot = SNAPSHOT._replace(stream_id="live")
    assert not await stores[1].save([Record(epoch, False, snapshot)])  # a live stream is kept again
    new = await stores[0].claim("watch", "live")
    assert new.snapshot == snapshot
    assert new.epoch > epoch
    assert await stores[1].save([Record(epoch, False, snapshot)]) == {("watch", "live")}


# -- files that are no store


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE somebody_elses (x)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"not a database" * 100), "file is not a database"),
        (foreign, "expected an empty file or a store of schema 1, got schema 0"),
        (newer, "expected an empty file or a store of schema 1, got schema 7"),
        (lambda path: path.mkdir(), "unable to open database file"),
    ],
)
async def test_another_file_is_left_alone(
    open_sqlite: Open, tmp_path: Path, make: Callable[[Path], Any], reason: str
) -> None:
    make(tmp_path / "other")
    before = (tmp_path / "other").is_file() and (tmp_path / "other").read_bytes()
    with pytest.raises(StoreError, match=f"other: {reason}"):
        await open_sqlite(tmp_path / "other").check()
    assert before == ((tmp_path / "other").is_file() and (tmp_path / "other").read_bytes())


async def test_a_missing_folder_is_an_error_until_it_is_there(open_sqlite: Open, tmp_path: Path) -> None:
    store = open_sqlite(tmp_path / "missing" / "streams.db")
    with pytest.raises(StoreError, match="No such file or directory"):
        await store.check()
    (tmp_path / "missing").mkdir()
    await store.check()


async def test_what_is_wrong_with_the_path_is_said_with_the_way_out(
    open_sqlite: Open, tmp_path: Path
) -> None:
    with pytest.raises(
        StoreError, match=r"expected a folder at /.*no/such, found none .*sqlite:////PATH is absolute"
    ):
        await open_sqlite("no/such/streams.db").check()
    with pytest.raises(StoreError, match="expected a file, got a folder"):
        await open_sqlite(tmp_path).check()


async def test_a_file_of_an_earlier_server_gets_the_index_of_principals(
    open_sqlite: Open, tmp_path: Path
) -> None:
    store = open_sqlite(tmp_path / "old.db")
    await put(store)
    await store.close()
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("DROP INDEX by_principal")
    again = open_sqlite(tmp_path / "old.db")
    assert (await again.claim(SNAPSHOT.model, SNAPSHOT.stream_id)).snapshot
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN {_COUNTS}").fetchall())
    assert "by_principal" in plan


# -- what is over


async def test_forgets_a_bounded_number_at_a_time_and_all_in_the_end(
    open_sqlite: Open, connections: list[sqlite3.Connection]
) -> None:
    clock = Clock()
    store = open_sqlite(clock=clock)
    await asyncio.gather(*(put(store, f"s{number}") for number in range(2500)))
    clock.now += TTL_SECONDS
    seen = list[int]()
    for _ in range(4):
        assert await store.count() == 0
        seen += connections[0].execute("SELECT count(*) FROM streams").fetchone()
        clock.now += 1.5
    assert seen == [1500, 500, 0, 0]
    assert store.expired == 2500


async def test_what_is_over_is_not_found_even_before_it_is_forgotten(open_sqlite: Open) -> None:
    clock = Clock()
    store = open_sqlite(clock=clock)
    await asyncio.gather(*(put(store, f"s{number}") for number in range(1500)))
    clock.now += TTL_SECONDS
    claims = await asyncio.gather(*(store.claim("watch", f"s{number}") for number in range(1500)))
    assert all(claim.snapshot is None for claim in claims)
