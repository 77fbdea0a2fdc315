"""Stores of snapshots: `open_store` chooses one by its URL."""

from urllib.parse import urlsplit

from skiprnn_service.errors import StoreError
from skiprnn_service.stores.base import Store
from skiprnn_service.stores.memory import MemoryStore


def open_store(
    url: str, *, ttl_seconds: float, capacity: int = 100_000, per_principal: int = 10_000
) -> Store:
    """The store of a URL. It connects when it is first used; `check` tests whether it can.

    Args:
        url: "memory", "sqlite:///PATH" (sqlite:////PATH is absolute), "redis://[:PASSWORD@]HOST[:PORT][/DB]" or
            "rediss://…" (TLS).
        ttl_seconds: after the latest claim or save, a stream expires.
        capacity: snapshots; when there are more, the oldest of the principal with most are deleted. Redis has its
            own limit (maxmemory).
        per_principal: snapshots of one principal, likewise; not in Redis.

    Raises:
        ValueError: another URL, or one of Redis where its client is not installed.
    """
    scheme = urlsplit(url).scheme
    if url == "memory":
        return MemoryStore(ttl_seconds=ttl_seconds, capacity=capacity, per_principal=per_principal)
    if scheme == "sqlite" and url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        from skiprnn_service.stores.sqlite import SqliteStore

        path = url.removeprefix("sqlite:///")
        return SqliteStore(path, ttl_seconds=ttl_seconds, capacity=capacity, per_principal=per_principal)
    if scheme in ("redis", "rediss"):
        try:
            from skiprnn_service.stores.redis import RedisStore
        except ImportError as error:
            raise ValueError(
                "store_url: redis:// needs the extra redis, which is not installed (docs/reference/stores.md)"
            ) from error
        return RedisStore(url, ttl_seconds=ttl_seconds)
    shown = f"{scheme}://…" if scheme else url  # not all of it: it may hold a password
    raise ValueError(f"store_url: expected memory, sqlite:///path, redis://… or rediss://…, got {shown!r}")


async def check_store(store: Store) -> None:
    """Ask a store that was just opened once whether it can be written, and close it.

    Raises:
        StoreError: it cannot; the message has the reason and, where it is known, the way out.
    """
    try:
        await store.check()
    except StoreError as error:
        raise StoreError(f"store_url: {error}") from None
    finally:
        await store.close()
