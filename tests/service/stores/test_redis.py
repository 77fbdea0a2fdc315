"""A Redis store tells in time when Redis is down, slow or full, and goes on by itself when it is not."""

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from skiprnn_service.errors import StoreError
from skiprnn_service.stores.base import Record
from skiprnn_service.stores.redis import RedisStore
from support.programs import need
from support.redis_server import RedisServer, free_port
from support.stores import SNAPSHOT, TTL_SECONDS, RedisCase, at

KEY = (SNAPSHOT.model, SNAPSHOT.stream_id)

Open = Callable[..., RedisStore]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    # With everysec, the default, Redis puts a write off while its disk is busy, and a kill −9 then loses it.
    with RedisServer(tmp_path, "--appendfsync", "always") as server:
        yield server


@pytest.fixture
async def open_redis() -> AsyncIterator[Open]:
    stores = list[RedisStore]()

    def open_one(url: str, **options: Any) -> RedisStore:
        stores.append(RedisStore(url, ttl_seconds=TTL_SECONDS, **options))
        return stores[-1]

    yield open_one
    for store in stores:
        await store.close()


async def put(store: RedisStore) -> int:
    epoch, _ = await store.claim(*KEY)
    assert not await store.save([Record(epoch, True, SNAPSHOT)])
    return epoch


def all_calls(store: RedisStore) -> list[Awaitable[object]]:
    save = store.save([Record(2**52, True, SNAPSHOT)])
    return [store.claim(*KEY), save, store.delete(*KEY, 1), store.count(), store.check()]


async def errors_of(calls: list[Awaitable[object]]) -> list[object]:
    return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 60)


# -- down and back


async def test_a_server_that_does_not_answer_is_an_error_in_time_and_then_it_goes_on(
    server: RedisServer, open_redis: Open
) -> None:
    store = open_redis(server.url, timeout_seconds=0.3)
    await store.check()
    server.pause()
    errors = await errors_of(all_calls(store))
    server.go_on()
    assert [type(error) for error in errors] == [StoreError] * 5
    await eventually(store.check)
    assert await put(store)


async def test_a_killed_server_is_an_error_and_then_it_goes_on_with_what_it_kept(
    server: RedisServer, open_redis: Open
) -> None:
    store = open_redis(server.url)
    epoch = await put(store)
    server.kill()
    errors = await errors_of(all_calls(store))
    assert [type(error) for error in errors] == [StoreError] * 5
    server.start()
    await eventually(store.check)
    claim = await store.claim(*KEY)
    assert claim.snapshot == SNAPSHOT
    assert claim.epoch > epoch


async def test_what_it_said_is_saved_survives_kill_9_in_the_middle(
    server: RedisServer, open_redis: Open
) -> None:
    store = open_redis(server.url)
    streams = [SNAPSHOT._replace(stream_id=f"s{number}", state=bytes(4000)) for number in range(200)]
    epochs = [(await store.claim("watch", snapshot.stream_id)).epoch for snapshot in streams]
    told = 0
    killing = asyncio.get_running_loop().call_later(0.2, server.kill)
    with contextlib.suppress(StoreError):
        while True:
            pairs = zip(epochs, streams, strict=True)
            await store.save([Record(epoch, True, at(stream, next=told + 1)) for epoch, stream in pairs])
            told += 1
    killing.cancel()
    server.start()
    await eventually(store.check)
    found = [(await store.claim("watch", snapshot.stream_id)).snapshot for snapshot in streams]
    assert told > 0
    assert {snapshot and snapshot.position.next for snapshot in found} <= {told, told + 1}


async def eventually(call: Callable[[], Awaitable[object]]) -> None:
    """A server that has just come back may still be reading its file."""
    for _ in range(600):
        try:
            await call()
            return
        except StoreError:
            await asyncio.sleep(0.05)
    await call()


async def test_a_server_that_forgot_everything_gives_larger_epochs_still(
    server: RedisServer, open_redis: Open
) -> None:
    store = open_redis(server.url)
    epoch = await put(store)
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()
        await redis.script_flush()
    assert not await store.save([Record(epoch, False, SNAPSHOT)])  # the live stream is known again
    new = await store.claim(*KEY)
    assert new.epoch > epoch
    assert new.snapshot == SNAPSHOT


async def test_a_full_server_is_an_error_until_there_is_room(server: RedisServer, open_redis: Open) -> None:
    store = open_redis(server.url)
    epoch = await put(store)
    async with Redis.from_url(server.url) as redis:
        await redis.config_set("maxmemory", "1mb")
        with pytest.raises(StoreError, match="maxmemory"):
            await store.check()
        with pytest.raises(StoreError, match="maxmemory"):
            await store.save([Record(epoch, True, SNAPSHOT)])
        await redis.config_set("maxmemory", "0")
    await store.check()
    assert (await store.claim(*KEY)).snapshot == SNAPSHOT


async def test_nobody_listens_is_an_error_that_says_where(open_redis: Open) -> None:
    with pytest.raises(StoreError, match=r"redis: .*127.0.0.1:1\b"):
        await open_redis("redis://127.0.0.1:1/0").check()


async def test_a_thousand_claims_at_once_use_a_few_connections(server: RedisServer, open_redis: Open) -> None:
    store = open_redis(server.url)
    claims = await asyncio.gather(*(store.claim("watch", f"s{number}") for number in range(1000)))
    assert len({claim.epoch for claim in claims}) == 1000
    async with Redis.from_url(server.url) as redis:
        clients: list[Any] = await redis.client_list()
    assert len(clients) <= 8 + 1


async def test_who_gave_up_waiting_costs_the_others_nothing(server: RedisServer, open_redis: Open) -> None:
    store = open_redis(server.url)
    for _ in range(5):
        tasks = [asyncio.create_task(store.claim("watch", f"s{number}")) for number in range(50)]
        await asyncio.sleep(0.002)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.result().epoch for task in tasks[1::2])
    assert await put(store)


# -- what it leaves in the server


async def test_all_that_is_over_goes_by_itself_but_the_epoch(server: RedisServer, open_redis: Open) -> None:
    case = RedisCase(server)
    await put(open_redis(server.url))
    epoch, _ = await case.store.claim("watch", "ended")
    await case.store.delete("watch", "ended", epoch)
    await case.store.claim("watch", "never saved")
    async with Redis.from_url(server.url) as redis:
        assert len(await redis.keys("*")) == 5
        await case.pass_time(1000)
        assert await case.store.count() == 0
        assert await redis.keys("*") == [b"skiprnn:epoch"]
    assert case.store.expired == 1
    await case.close()


# -- by its URL


async def test_a_password_is_asked_for_and_not_told(tmp_path: Path, open_redis: Open) -> None:
    with RedisServer(tmp_path, "--requirepass", "s3cret") as server:
        address = f"127.0.0.1:{server.port}/0"
        await open_redis(f"redis://:s3cret@{address}").check()
        for url in (f"redis://{address}", f"redis://:wr0ng@{address}"):
            with pytest.raises(StoreError, match=r"(?i)auth|password") as caught:
                await open_redis(url).check()
            assert "wr0ng" not in str(caught.value)


async def test_the_access_list_of_the_docs_is_enough(server: RedisServer, open_redis: Open) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "stores.md").read_text()
    (command,) = re.findall(r"```redis\n(ACL SETUSER .*)\n```", page)
    async with Redis.from_url(server.url) as redis:
        await redis.acl_setuser("skiprnn", reset=True)
        await redis.execute_command(*command.split())  # type: ignore[no-untyped-call]
    store = open_redis(server.url.replace("://", "://skiprnn:PASSWORD@"))
    epoch = await put(store)
    await store.check()
    assert await store.count() == 1
    assert await store.parked(5) == [SNAPSHOT]
    await store.delete(*KEY, epoch)
    assert await store.count() == 0


async def test_speaks_tls_and_trusts_only_whom_it_should(tmp_path: Path, open_redis: Open) -> None:
    certificate = self_signed(tmp_path)
    (tmp_path / "data").mkdir()
    options = ["--tls-auth-clients", "no", "--tls-cert-file", str(certificate)]
    options += ["--tls-key-file", str(tmp_path / "key.pem"), "--tls-ca-cert-file", str(certificate)]
    with RedisServer(tmp_path / "data", *options, tls=True) as server:
        await put(open_redis(f"{server.url}?ssl_ca_certs={certificate}"))
        with pytest.raises(StoreError, match="certificate"):
            await open_redis(server.url).check()


def self_signed(folder: Path) -> Path:
    """cert.pem, and key.pem beside it, of 127.0.0.1."""
    command = [need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "cert.pem"


async def test_a_write_that_comes_late_does_not_undo_a_newer_one_of_the_same_owner(
    server: RedisServer, open_redis: Open
) -> None:
    """As when it timed out here and was carried out there all the same."""
    store = open_redis(server.url)
    epoch, _ = await store.claim(*KEY)
    newer = at(SNAPSHOT, next=105, samples=1_105)
    for snapshot in (newer, SNAPSHOT):
        assert not await store.save([Record(epoch, False, snapshot)])
    epoch, kept = await store.claim(*KEY)
    assert kept == newer
    await store.delete(*KEY, epoch)
    epoch, _ = await store.claim(*KEY)
    assert not await store.save([Record(epoch, False, SNAPSHOT)]), "a stream that begins again is short again"
    assert (await store.claim(*KEY)).snapshot == SNAPSHOT


@pytest.mark.parametrize("slots", [False, True])
async def test_redis_cluster_is_named(tmp_path: Path, open_redis: Open, slots: bool) -> None:
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with RedisServer(tmp_path, *options) as server:
        if slots:
            async with Redis.from_url(server.url) as redis, asyncio.timeout(20):
                await redis.execute_command("CLUSTER", "ADDSLOTS", *range(16384))  # type: ignore[no-untyped-call]
                while "cluster_state:ok" not in str(
                    await redis.eval("return redis.call('CLUSTER', 'INFO')", 0)
                ):
                    await asyncio.sleep(0.05)
        with pytest.raises(StoreError, match="Redis Cluster is not supported"):
            await open_redis(server.url).check()
