"""Stores of snapshots: `open_store` chooses one by its URL."""

from urllib.parse import urlsplit

from skiprnn_service.stores.base import Store
from skiprnn_service.stores.memory import MemoryStore


def open_store(url: str, *, ttl_seconds: float, capacity: int = 100_000) -> Store:
    """The store of a URL. It connects when it is first used; `check` tests whether it can.

    Args:
        url: "memory", "sqlite:///PATH" (sqlite:////PATH is absolute), "redis://[:PASSWORD@]HOST[:PORT][/DB]" or
            "rediss://…" (TLS).
        ttl_seconds: after the latest claim or save, a stream expires.
        capacity: snapshots; when there are more, the oldest are deleted. Redis has its own limit (maxmemory).

    Raises:
        ValueError: another URL, or one of Redis where its client is not installed.
    """
    scheme = urlsplit(url).scheme
    if url == "memory":
        return MemoryStore(ttl_seconds=ttl_seconds, capacity=capacity)
    if scheme == "sqlite" and url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        from skiprnn_service.stores.sqlite import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"), ttl_seconds=ttl_seconds, capacity=capacity)
    if scheme in ("redis", "rediss"):
        try:
            from skiprnn_service.stores.redis import RedisStore
        except ImportError as error:
            raise ValueError(
                "store_url: redis:// needs the extra redis (docs/reference/stores.md)"
            ) from error
        return RedisStore(url, ttl_seconds=ttl_seconds)
    shown = f"{scheme}://…" if scheme else url  # not all of it: it may hold a password
    raise ValueError(f"store_url: expected memory, sqlite:///path, redis://… or rediss://…, got {shown!r}")
