"""A Store in a Redis server (6 or later; not Redis Cluster): any replica can resume any stream.

All keys are written by scripts in the server, so that a check and the write after it are one step:

    skiprnn:stream:MODEL:ID   hash: epoch, snapshot (none after the end and before the first save); expires by itself
    skiprnn:parked            sorted set: keys of parked streams by the time, in ms, at which they expire
    skiprnn:epoch             the largest epoch so far

An epoch is the server's time in µs, or one more than the largest if that is more: it is larger than all before even if
the server lost its memory.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterCrossSlotError, ClusterDownError, MovedError, RedisError

from skiprnn_service.engine.stream import Snapshot
from skiprnn_service.errors import SnapshotError, StoreError
from skiprnn_service.stores.base import FENCE_SECONDS, Claim, Key, Record
from skiprnn_service.stores.snapshot import dumps, loads_as, readable

_PARKED, _EPOCH = "skiprnn:parked", "skiprnn:epoch"
_CONNECTIONS = 8
_SCRIPT_RECORDS, _SCRIPT_BYTES = (
    64,
    1 << 20,
)  # one script writes no more: a fraction of a millisecond of the server's time

# KEYS: stream, parked, epoch. ARGV: ttl in ms.
_CLAIM = """
local known = tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0)
local given = tonumber(redis.call('GET', KEYS[3]) or 0)
local time = redis.call('TIME')
local epoch = string.format('%.0f', math.max(known + 1, given + 1, time[1] * 1e6 + time[2]))
redis.call('SET', KEYS[3], epoch)
redis.call('HSET', KEYS[1], 'epoch', epoch)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], KEYS[1])
return {epoch, redis.call('HGET', KEYS[1], 'snapshot')}
"""

# KEYS: parked, streams. ARGV: ttl in ms, then of each stream: epoch, 1 if parked, how far it is, snapshot.
# Returns the numbers of the streams that are fenced. A write that timed out may come late, behind a newer one of the
# same owner: it does nothing.
_SAVE = """
local time, fenced = redis.call('TIME'), {}
local expires_at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
for i = 2, #KEYS do
    local key, at = KEYS[i], 4 * i - 6
    local known = tonumber(redis.call('HGET', key, 'epoch') or 0)
    if known > tonumber(ARGV[at]) then
        fenced[#fenced + 1] = i - 2
    elseif known < tonumber(ARGV[at]) or tonumber(redis.call('HGET', key, 'place') or 0) <= tonumber(ARGV[at + 2]) then
        redis.call('HSET', key, 'epoch', ARGV[at], 'place', ARGV[at + 2], 'snapshot', ARGV[at + 3])
        redis.call('PEXPIRE', key, ARGV[1])
        if ARGV[at + 1] == '1' then
            redis.call('ZADD', KEYS[1], expires_at, key)
        else
            redis.call('ZREM', KEYS[1], key)
        end
    end
end
return fenced
"""

# KEYS: stream, parked. ARGV: epoch, ms for which it is left behind.
_DELETE = """
local known = tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0)
if known <= tonumber(ARGV[1]) then
    redis.call('HDEL', KEYS[1], 'snapshot', 'place')
    redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', ARGV[1] + 1))
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    redis.call('ZREM', KEYS[2], KEYS[1])
end
"""

# KEYS: parked. Returns how many expired since, a thousand at most, and how many wait.
_COUNT = """
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)
if #over > 0 then redis.call('ZREM', KEYS[1], unpack(over)) end
return {#over, redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf')}
"""

# KEYS: epoch, parked. A write that changes nothing but needs all that a write needs: Redis Cluster rejects two keys.
_CHECK = "redis.call('INCRBY', KEYS[1], 0)"

T = TypeVar("T")


class RedisStore:
    """A Store in a Redis server. Its durability is that of the server's settings (docs/reference/stores.md).

    Args:
        url: redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS (`?ssl_ca_certs=FILE`).
        ttl_seconds: after the latest claim or save, a stream expires.
        timeout_seconds: after which a call is a StoreError.
    """

    durable = True
    shared = True
    generation = 0  # it does not tell whether it lost anything

    def __init__(self, url: str, *, ttl_seconds: float, timeout_seconds: float = 5.0) -> None:
        self.expired = self.damaged = 0
        self._ttl_ms, self._timeout_seconds = round(ttl_seconds * 1000), timeout_seconds
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            # A connection that the server closed meanwhile is opened again. All scripts may run twice.
            retry=Retry(NoBackoff(), 1),
        )
        self._redis = Redis.from_pool(pool)
        scripts = (_CLAIM, _SAVE, _DELETE, _COUNT, _CHECK)
        self._claim, self._save, self._delete, self._count, self._check = map(
            self._redis.register_script, scripts
        )

    async def claim(self, model: str, stream_id: str) -> Claim:
        keys = [_key(model, stream_id), _PARKED, _EPOCH]
        epoch, data = await self._answer(self._claim(keys, [self._ttl_ms]))
        try:
            return Claim(int(epoch), loads_as(data, model, stream_id) if data else None)
        except SnapshotError:
            self.damaged += 1
            await self.delete(model, stream_id, int(epoch))
            raise

    async def save(self, records: Sequence[Record]) -> set[Key]:
        return await self._answer(self._save_all(records))

    async def delete(self, model: str, stream_id: str, epoch: int) -> None:
        keys = [_key(model, stream_id), _PARKED]
        await self._answer(self._delete(keys, [epoch, round(FENCE_SECONDS * 1000)]))

    async def count(self) -> int:
        expired, waiting = await self._answer(self._count([_PARKED]))
        self.expired += expired
        return int(waiting)

    async def parked(self, limit: int) -> list[Snapshot]:
        return await self._answer(self._latest(limit))

    async def check(self) -> None:
        await self._answer(self._check([_EPOCH, _PARKED]))

    async def close(self) -> None:
        with suppress(RedisError, OSError):
            await self._redis.aclose()

    async def _save_all(self, records: Sequence[Record]) -> set[Key]:
        fenced = set[Key]()
        for keys, args, chunk in _chunks(records):
            numbers = await self._save([_PARKED, *keys], [self._ttl_ms, *args])
            fenced.update(chunk[number].key for number in numbers)
        return fenced

    async def _latest(self, limit: int) -> list[Snapshot]:
        keys: list[Any] = await self._redis.zrevrange(_PARKED, 0, limit - 1)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hget(key, "snapshot")
            found = await pipeline.execute()
        return list(readable((data, *_names(key)) for key, data in zip(keys, found, strict=True) if data))

    async def _answer(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await call
        except TimeoutError:
            raise StoreError(f"redis: no answer within {self._timeout_seconds:g} s") from None
        except (ClusterCrossSlotError, ClusterDownError, MovedError) as error:
            raise StoreError(
                f"redis: Redis Cluster is not supported, one server is needed: {error}"
            ) from error
        except (RedisError, OSError) as error:
            raise StoreError(f"redis: {error}") from error


def _key(model: str, stream_id: str) -> str:
    return f"skiprnn:stream:{model}:{stream_id}"  # a model's name has no colon


def _place(snapshot: Snapshot) -> int:
    """Grows with every sample and every reset of a stream, and never shrinks."""
    return snapshot.position.samples + snapshot.position.sequence


def _names(key: bytes) -> tuple[str, str]:
    """Model and id of a key."""
    _, _, model, stream_id = key.decode().split(":", 3)
    return model, stream_id


def _chunks(records: Sequence[Record]) -> Iterator[tuple[list[str], list[Any], list[Record]]]:
    """Keys, arguments and records of one script after the other."""
    keys, args, chunk, size = list[str](), list[Any](), list[Record](), 0
    for record in records:
        data = dumps(record.snapshot)
        if len(chunk) == _SCRIPT_RECORDS or (chunk and size + len(data) > _SCRIPT_BYTES):
            yield keys, args, chunk
            keys, args, chunk, size = [], [], [], 0
        keys.append(_key(*record.key))
        args += (record.epoch, int(record.parked), _place(record.snapshot), data)
        chunk.append(record)
        size += len(data)
    if chunk:
        yield keys, args, chunk
