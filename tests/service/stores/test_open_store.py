"""A store is chosen by its URL."""

import sys

import pytest

from skiprnn_service.stores import open_store
from skiprnn_service.stores.base import Store
from skiprnn_service.stores.memory import MemoryStore
from skiprnn_service.stores.redis import RedisStore
from skiprnn_service.stores.sqlite import SqliteStore


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory", MemoryStore),
        ("sqlite:///streams.db", SqliteStore),
        ("redis://127.0.0.1:6379/0", RedisStore),
        ("rediss://me:secret@example.org", RedisStore),
    ],
)
async def test_a_url_says_which_store(url: str, kind: type[Store]) -> None:
    store = open_store(url, ttl_seconds=60)
    assert type(store) is kind
    await store.close()


@pytest.mark.parametrize(
    "url", ["", "Memory", "sqlite://streams.db", "sqlite:///", "mysql://me:secret@host/db"]
)
def test_another_url_is_rejected_without_its_password(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"expected memory, sqlite:///path, redis://… or rediss://…, got"
    ) as caught:
        open_store(url, ttl_seconds=60)
    assert "secret" not in str(caught.value)


def test_redis_without_its_client_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skiprnn_service.stores.redis", None)
    with pytest.raises(ValueError, match="needs the extra redis"):
        open_store("redis://127.0.0.1", ttl_seconds=60)
