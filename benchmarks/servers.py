"""The servers that are measured: ours, the floors, and what a user would write."""

import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks import machine, models
from benchmarks.machine import Load, Server

BINARY = "skiprnn.f32"
_MESSAGES = 509  # of random samples, before they repeat; a prime, so that streams do not walk in step
_ROOMY = {  # limits of one principal and of the server that a load from one address would meet
    "max-streams": 12_000,
    "max-streams-per-principal": 100_000,
    "max-opens-per-minute": 10_000_000,
    "log-level": "error",
}


def messages(samples: int, *, features: int = models.FEATURES) -> list[bytes]:
    """Messages of `samples` random samples each, that say of themselves that they are the next."""
    rng, count = np.random.default_rng(0), max(_MESSAGES // samples, 31) | 1
    index = struct.pack("<Q", 2**64 - 1)
    return [index + rng.standard_normal((samples, features), np.float32).tobytes() for _ in range(count)]


class Ours:
    """`skiprnn serve` on a folder of models."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def load(self, model: str, samples: int, **options: object) -> Load:
        """Stream to a model in messages of so many samples; options are those of load.c."""
        path = f"/v1/models/{model}/stream"
        return machine.load(self.server, messages(samples), path=path, protocol=BINARY, **options)


@contextmanager
def ours(folder: Path, *, name: str = "ours", **flags: object) -> Iterator[Ours]:
    port = machine.free_port()
    said = _ROOMY | {key.replace("_", "-"): value for key, value in flags.items()}
    options = [f"--{key}={value}" for key, value in said.items()]
    program = str(Path(sys.executable).with_name("skiprnn"))
    command = [program, "serve", f"--models-dir={folder}", f"--port={port}", *options]
    with machine.running(name, command, port, ready="/v2/health/ready") as server:
        yield Ours(server)


class Floor:
    """A server with one route that takes the same messages."""

    def __init__(self, server: Server, path: str) -> None:
        self.server, self._path = server, path

    def load(self, samples: int, **options: object) -> Load:
        return machine.load(self.server, messages(samples), path=self._path, **options)


@contextmanager
def c_echo() -> Iterator[Floor]:
    port = machine.free_port()
    with machine.running("echo", [str(machine.compiled("echo")), str(port)], port) as server:
        yield Floor(server, "/")


@contextmanager
def uvicorn(name: str, app: str, path: str, *flags: str, **env: str) -> Iterator[Floor]:
    """An application on uvicorn."""
    port = machine.free_port()
    command = [sys.executable, "-m", "uvicorn", app, f"--port={port}", "--log-level=warning", *flags]
    with machine.running(name, command, port, env=env) as server:
        yield Floor(server, path)


@contextmanager
def direct_echo() -> Iterator[Floor]:
    """Echo on our protocol class."""
    flags = ("--ws=skiprnn_service.server.websocket_protocol:StreamProtocol",)
    with uvicorn("direct", "benchmarks.echo_app:app", "/direct", *flags) as floor:
        yield floor


@contextmanager
def plain_echo() -> Iterator[Floor]:
    """Echo as uvicorn and FastAPI give it."""
    with uvicorn("plain", "benchmarks.echo_app:app", "/echo") as floor:
        yield floor


@contextmanager
def naive(bundle: Path) -> Iterator[Floor]:
    """FastAPI and ONNX Runtime on every message."""
    with uvicorn("naive", "benchmarks.naive:app", "/stream", NAIVE_MODEL=str(bundle)) as floor:
        yield floor


@contextmanager
def floors() -> Iterator[tuple[Floor, Floor, Floor]]:
    """C echo, echo on our class, echo as uvicorn and FastAPI give it."""
    with ExitStack() as stack:
        yield (
            stack.enter_context(c_echo()),
            stack.enter_context(direct_echo()),
            stack.enter_context(plain_echo()),
        )
