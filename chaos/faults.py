"""What can go wrong. A fault takes a cluster and a random generator, and leaves everything up again."""

import random
import socket
import time
from collections.abc import Callable

from chaos.cluster import MODEL, Cluster

Fault = Callable[[Cluster, random.Random], None]


def kill_server(cluster: Cluster, rng: random.Random) -> None:
    """kill −9, and a new one on the same port a little later."""
    server = rng.choice(cluster.servers)
    server.kill()
    time.sleep(rng.uniform(0, 0.2))
    server.start()


def drain_server(cluster: Cluster, rng: random.Random) -> None:
    """SIGTERM, as at every deployment."""
    server = rng.choice(cluster.servers)
    server.terminate()
    server.start()


def pause_server(cluster: Cluster, rng: random.Random) -> None:
    """It keeps its connections and says nothing, as a machine that swaps."""
    server = rng.choice(cluster.servers)
    server.pause()
    time.sleep(rng.uniform(0.05, 0.6))
    server.go_on()


def cut_connections(cluster: Cluster, rng: random.Random) -> None:
    """In the middle of a frame, all at once, one to three times."""
    for _ in range(rng.randint(1, 3)):
        rng.choice(cluster.proxies).cut(rng)
        time.sleep(rng.uniform(0, 0.1))


def crash_clients(cluster: Cluster, rng: random.Random) -> None:
    """Clients that open a stream, send rubbish or half a frame, and are gone."""
    for _ in range(rng.randint(1, 4)):
        server = rng.choice(cluster.servers)
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = f"GET /v1/models/{MODEL}/stream HTTP/1.1\r\nHost: localhost\r\n"
        head += "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        rubbish = rng.choice([b"", b"\x82\xfe\x01", rng.randbytes(50), b"\x81\x85\0\0\0\0hello"])
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(head.encode()[: rng.choice([10, None])] + rubbish)


def fill_disk(cluster: Cluster, rng: random.Random) -> None:
    """The store's files cannot grow."""
    cluster.fill_disk(cluster.servers[0], rng.uniform(0.05, 0.4))


def reject_writes(cluster: Cluster, rng: random.Random) -> None:
    """The store answers every write with an error."""
    cluster.reject_writes(rng.uniform(0.05, 0.4))


def kill_redis(cluster: Cluster, rng: random.Random) -> None:
    """kill −9 of the store; it comes back with what it had written."""
    assert cluster.redis
    cluster.redis.kill()
    time.sleep(rng.uniform(0, 0.3))
    cluster.redis.start()


def pause_redis(cluster: Cluster, rng: random.Random) -> None:
    """The store keeps its connections and does not answer."""
    assert cluster.redis
    cluster.redis.pause()
    time.sleep(rng.uniform(0.05, 0.5))
    cluster.redis.go_on()


_ALWAYS: tuple[Fault, ...] = (kill_server, drain_server, pause_server, cut_connections, crash_clients)
FAULTS: dict[str, tuple[Fault, ...]] = {
    "sqlite": (*_ALWAYS, fill_disk),
    "redis": (*_ALWAYS, reject_writes, kill_redis, pause_redis),
    "replicas": (*_ALWAYS, reject_writes, kill_redis, pause_redis),
}
