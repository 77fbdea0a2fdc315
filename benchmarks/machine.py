"""Processes under measurement: compiled helpers, servers pinned to one core, the load on another."""

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "benchmarks"
SERVER_CORE, LOAD_CORE = "0", "1"

_PAGE = os.sysconf("SC_PAGE_SIZE")


def compiled(name: str) -> Path:
    """benchmarks/NAME.c as a program, built when it is missing or older than its source.

    Raises:
        RuntimeError: no C compiler, or it failed.
    """
    source, program = HERE / f"{name}.c", BUILD / name
    if program.is_file() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError(f"{source.name}: expected a C compiler (cc or gcc) on the path, found none")
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-o", str(program), str(source)], check=True)
    return program


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def resident(pid: int) -> int:
    """Bytes of a process and its children that are in memory."""
    return sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) * _PAGE for p in tree(pid))


def tree(pid: int) -> list[int]:
    """A process and its children, and theirs."""
    return [pid, *_children(pid)]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_children(child)]
    return found


@dataclass(frozen=True)
class Server:
    """A server that is up: its name in tables, port, pid, seconds until it answered."""

    name: str
    port: int
    pid: int
    start_seconds: float


def environment() -> dict[str, str]:
    """Of what is measured: one thread wherever a library asks."""
    return os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


@contextlib.contextmanager
def timed(command: Sequence[str]) -> Iterator[tuple[float, int]]:
    """Seconds until a process says its first line, and its pid; it ends with the block."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield time.perf_counter() - started, process.pid
        process.terminate()


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str],
    port: int,
    *,
    ready: str | None = None,
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start a server on SERVER_CORE and wait until it accepts connections (and, given a path, answers 200 there).

    Raises:
        RuntimeError: it ended or was not ready in time; the message holds the end of its log.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    log = BUILD / f"{name.replace(' ', '_').replace('/', '_')}.log"
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", SERVER_CORE, *command],
            stdout=output,
            stderr=output,
            env=environment() | dict(env or {}),
        )
    try:
        _await_ready(process, port, ready, started + timeout, log)
        yield Server(name, port, process.pid, time.perf_counter() - started)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(
    process: "subprocess.Popen[bytes]", port: int, path: str | None, until: float, log: Path
) -> None:
    while time.perf_counter() < until:
        if process.poll() is not None:
            break
        if _answers(port, path):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{log.stem}: not ready on port {port}; its log ends:\n{log.read_text()[-2000:]}")


def _answers(port: int, path: str | None) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            if path is None:
                return True
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return client.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


@dataclass(frozen=True)
class Load:
    """What the generator measured.

    Attributes:
        messages_per_s, p50_us, p99_us: of answered messages.
        load_cpu: share of the time in which the generator was busy; near 1 it was the bottleneck.
        server_cpu: CPU seconds a second of the server.
        resident: bytes of the server at the end.
        raw: everything that the generator printed.
    """

    messages_per_s: float
    p50_us: float
    p99_us: float
    load_cpu: float
    server_cpu: float
    resident: int
    raw: dict[str, Any]


def load(server: Server, messages: Sequence[bytes], **options: object) -> Load:
    """Run load.c against a server, with messages of one size; options are its flags (`path`, `connections`, …).

    Raises:
        RuntimeError: the generator failed, or a connection was rejected.
    """
    file = BUILD / "payload.bin"
    file.write_bytes(b"".join(messages))
    options |= {"port": server.port, "payload": file, "messages": len(messages), "pids": _pids(server)}
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
    command = ["taskset", "-c", LOAD_CORE, str(compiled("load")), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{server.name}: the load generator failed: {done.stderr}")
    return _measured(json.loads(done.stdout), server)


def resident_with_idle(server: Server, **options: object) -> tuple[int, int]:
    """Connections that idle, and bytes of the server while they do."""
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [str(compiled("load")), f"--port={server.port}", "--payload=/dev/null", "--idle=600", *flags]
    with subprocess.Popen(
        ["taskset", "-c", LOAD_CORE, *command], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        time.sleep(2)
        found = resident(server.pid)
        process.terminate()
    return said["open"], found


def _pids(server: Server) -> str:
    return ",".join(map(str, tree(server.pid)))


def _measured(raw: dict[str, Any], server: Server) -> Load:
    if raw["closed"] or raw.get("rejected"):
        raise RuntimeError(f"{server.name}: {raw['closed']} connections were closed: {raw}")
    names = ("messages_per_s", "p50_us", "p99_us", "load_cpu", "server_cpu")
    return Load(**{name: raw.get(name, 0.0) for name in names}, resident=resident(server.pid), raw=raw)


def today() -> str:
    return time.strftime("%Y-%m-%d")


def describe() -> str:
    """The machine in a line."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {sys.platform}"
