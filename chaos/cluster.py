"""What is broken: one server or two, their store, and a proxy in front of each."""

import resource
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import redis

from chaos.proxy import BreakingProxy
from support.redis_server import RedisServer
from support.server_process import ServerProcess

Kind = Literal["sqlite", "redis", "replicas"]
KINDS: tuple[Kind, ...] = ("sqlite", "redis", "replicas")

MODEL = "watch"


class Cluster:
    """Servers of a folder of models with one store; up for the length of the block.

    Args:
        kind: "sqlite" is one server, "redis" one server and Redis, "replicas" two and Redis.
        folder: for what the store writes.
    """

    def __init__(self, kind: Kind, *, models: Path, folder: Path) -> None:
        self.kind = kind
        self._stack = ExitStack()
        self.redis = None if kind == "sqlite" else RedisServer(folder, "--appendfsync", "always")
        store = self.redis.url if self.redis else f"sqlite:///{folder / 'streams.db'}"
        self.servers = [
            ServerProcess(
                models,
                store_url=store,
                snapshot_interval_seconds=0.05,
                drain_seconds=0.1,
                stream_ttl_seconds=120,
            )
            for _ in range(2 if kind == "replicas" else 1)
        ]
        self.proxies = [BreakingProxy(server.port) for server in self.servers]

    def __enter__(self) -> Self:
        for part in (self.redis, *self.servers, *self.proxies):
            if part is not None:
                self._stack.enter_context(part)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def urls(self) -> list[str]:
        """Of the streams, through the proxies."""
        return [f"ws://127.0.0.1:{proxy.port}/v1/models/{MODEL}/stream" for proxy in self.proxies]

    def fill_disk(self, server: ServerProcess, seconds: float) -> None:
        """No file of the server's can grow for so long: what it writes fails as on a full disk."""
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        time.sleep(seconds)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def reject_writes(self, seconds: float) -> None:
        """Redis answers every write with an error (out of memory) for so long."""
        assert self.redis
        with redis.Redis.from_url(self.redis.url) as client:
            client.config_set("maxmemory", "1")
            time.sleep(seconds)
            client.config_set("maxmemory", "0")
