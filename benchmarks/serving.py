"""The serving rows of the table: ours beside a floor or a peer, measured in turn."""

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, models, servers
from benchmarks.machine import BUILD
from benchmarks.results import Row, compare, note
from benchmarks.servers import Floor, Ours

_STREAMS, _SAMPLES = 64, 64
_IDLE = 10_000


@dataclass(frozen=True)
class Bench:
    """Everything that runs while the table is made."""

    ours: Ours
    echo: Floor
    direct: Floor
    plain: Floor
    naive: Floor
    naive_all: Floor
    seconds: float
    repeats: int


def folder() -> Path:
    """The bundles of the table: h128 and h512, with the share of skipped samples in their names."""
    where = BUILD / "models"
    for hidden, skipped in ((128, 0), (128, 50), (128, 95), (512, 0), (512, 90)):
        name = f"h{hidden}s{skipped}"
        if not (where / f"{name}.onnx").is_file():
            bundle = models.make(where, name, hidden=hidden, skipped=skipped / 100)
            note(f"{name}: updates at {models.rate(bundle):.1%} of its samples")
    return where


@contextmanager
def bench(*, seconds: float, repeats: int) -> Iterator[Bench]:
    where = folder()
    with ExitStack() as stack:
        echo, direct, plain = stack.enter_context(servers.floors())
        yield Bench(
            stack.enter_context(servers.ours(where)),
            echo,
            direct,
            plain,
            stack.enter_context(servers.naive(where / "h128s95.onnx")),
            stack.enter_context(servers.naive(where / "h128s0.onnx")),
            seconds,
            repeats,
        )


def rows(b: Bench) -> list[Row]:
    """All rows that need no peer's environment, in the order of the design."""
    made = [*_messages(b), *_chunks(b), *_updates(b), _latency(b), _skipping(b), _snapshots(b)]
    return [*made, _idle_memory(), *_start(b)]


# -- messages a second


def _messages(b: Bench) -> Iterator[Row]:
    one = functools.partial(_rate, b, lambda **o: b.ours.load("h128s95", 1, **o))
    ours, flight = functools.partial(one, depth=1), functools.partial(one, depth=16)
    row = functools.partial(compare, repeats=b.repeats)
    closed = "one sample a message, 95 % skipped, 64 streams, closed loop"
    yield row(closed, "C epoll echo", "messages/s", ours, _echo(b, b.echo), at_least=0.65)
    yield row(closed, "echo on the same class", "messages/s", ours, _echo(b, b.direct), at_least=0.85)
    yield row(closed, "FastAPI + ORT a message", "messages/s", ours, _echo(b, b.naive), at_least=5)
    many, plain = "the same, 16 in flight", _echo(b, b.plain, depth=16)
    yield row(many, "uvicorn + FastAPI echo, no model", "messages/s", flight, plain, at_least=5)


def _rate(b: Bench, load: Callable[..., machine.Load], **options: object) -> float:
    given = {"connections": _STREAMS, "seconds": b.seconds, "warmup": b.seconds / 4} | options
    return load(**given).messages_per_s


def _echo(b: Bench, floor: Floor, samples: int = 1, **options: object) -> Callable[[], float]:
    return functools.partial(_rate, b, functools.partial(floor.load, samples), **options)


def _chunks(b: Bench) -> Iterator[Row]:
    ours = functools.partial(_rate, b, functools.partial(b.ours.load, "h128s95", _SAMPLES))
    naive = _echo(b, b.naive, _SAMPLES, connections=16)
    yield compare(
        "64 samples a message, 95 % skipped, 64 streams, H = 128",
        "FastAPI + ORT",
        "samples/s",
        lambda: _SAMPLES * ours(),
        lambda: _SAMPLES * naive(),
        at_least=30,
        repeats=b.repeats,
    )


# -- every sample an update


def updates(b: Bench) -> float:
    """Updates a second of ours: 256 streams, 64 samples a message, all of them read."""
    load = functools.partial(b.ours.load, "h128s0", _SAMPLES)
    return _SAMPLES * _rate(b, load, connections=256, seconds=2 * b.seconds)


def _updates(b: Bench) -> Iterator[Row]:
    what = "every sample an update, LSTM H = 128, 256 streams"
    row = functools.partial(compare, what, repeats=b.repeats)
    ours = functools.partial(updates, b)
    yield row("raw ORT in a loop, B = 64", "updates/s", ours, lambda: offline("step"), at_least=0.6)
    yield row("GEMM floor, B = 64", "updates/s", ours, lambda: offline("gemm"))
    naive = _echo(b, b.naive_all, connections=256)
    yield row("FastAPI + ORT, one sample a message", "updates/s", ours, naive, at_least=5)
    one = functools.partial(_rate, b, functools.partial(b.ours.load, "h128s0", 1), connections=256)
    yield compare(
        "the same, one sample a message", "FastAPI + ORT", "updates/s", one, naive, repeats=b.repeats
    )


def offline(what: str) -> float:
    """Updates a second of a loop without a server, in a process of its own on the server's core."""
    command = [sys.executable, "-m", "benchmarks.offline", what, str(folder() / "h128s0.onnx"), "64"]
    pinned = ["taskset", "-c", machine.SERVER_CORE, *command]
    done = subprocess.run(pinned, capture_output=True, text=True, check=True, env=machine.environment())
    return float(json.loads(done.stdout))


# -- latency, CPU, durability


def _latency(b: Bench) -> Row:
    given = {"connections": 1000, "rate": 20_000, "seconds": 2 * b.seconds}
    return compare(
        "1,000 streams × 20 Hz, 50 % skipped: p99",
        "C epoll echo, same load",
        "µs",
        lambda: b.ours.load("h128s50", 1, **given).p99_us,
        lambda: b.echo.load(1, **given).p99_us,
        at_most=2,
        repeats=b.repeats,
    )


def _skipping(b: Bench) -> Row:
    def cpu(model: str) -> float:
        found = b.ours.load(model, _SAMPLES, connections=_STREAMS, seconds=2 * b.seconds)
        return found.server_cpu / (found.messages_per_s * _SAMPLES) * 1e6

    return compare(
        "CPU of a million samples, H = 512, 64 a message: 90 % skipped",
        "0 % skipped",
        "CPU s",
        lambda: cpu("h512s90"),
        lambda: cpu("h512s0"),
        at_most=0.15,
        repeats=b.repeats,
    )


def _snapshots(b: Bench) -> Row:
    database = BUILD / "streams.sqlite"
    for file in BUILD.glob("streams.sqlite*"):
        file.unlink()
    with servers.ours(folder(), name="durable", store=f"sqlite:///{database}") as durable:
        return compare(
            "64 samples a message, 95 % skipped, snapshots to sqlite every second",
            "no snapshots",
            "samples/s",
            lambda: _SAMPLES * _rate(b, functools.partial(durable.load, "h128s95", _SAMPLES), seconds=4),
            lambda: _SAMPLES * _rate(b, functools.partial(b.ours.load, "h128s95", _SAMPLES), seconds=4),
            at_least=0.9,
            repeats=b.repeats,
        )


# -- memory and start


def _idle_memory() -> Row:
    """KiB a connected stream that says nothing, over the state row itself."""
    row_kib = models.state_bytes(folder() / "h128s95.onnx") / 1024
    with servers.ours(folder(), name="idle") as fresh:
        path = "/v1/models/h128s95/stream"
        before = machine.resident(fresh.server.pid)
        opened, held = machine.resident_with_idle(fresh.server, connections=_IDLE, path=path)
    each = (held - before) / opened / 1024
    goal = row_kib + 24
    found = Row(
        f"resident memory of a connected idle stream ({opened:,} of them)",
        f"its state row ({row_kib:g} KiB) + 24 KiB",
        "KiB",
        each,
        goal,
        each / goal,
        (each / goal, each / goal),
        "≤ 1 ×",
        each <= goal,
    )
    note(str(found))
    return found


_IMPORTS = "import fastapi, onnxruntime, uvicorn, time; print('up', flush=True); time.sleep(60)"


def _start(b: Bench) -> Iterator[Row]:
    """Seconds to ready and bytes at rest, beside those of the imports that any such server needs."""
    where = BUILD / "one"
    if not (where / "h128s95.onnx").is_file():
        models.make(where, "h128s95", hidden=128, skipped=0.95)
    ours, imports = [_started(where) for _ in range(b.repeats)], [_imported() for _ in range(b.repeats)]
    for index, (what, unit) in enumerate((("skiprnn serve to ready", "s"), ("resident at start", "MiB"))):
        mine, theirs = iter([pair[index] for pair in ours]), iter([pair[index] for pair in imports])
        yield compare(
            what,
            "python + onnxruntime + fastapi + uvicorn imports",
            unit,
            mine.__next__,
            theirs.__next__,
            at_most=1.3,
            repeats=b.repeats,
        )


def _started(where: Path) -> tuple[float, float]:
    with servers.ours(where, name="start") as ours:
        return ours.server.start_seconds, machine.resident(ours.server.pid) / 2**20


def _imported() -> tuple[float, float]:
    command = ["taskset", "-c", machine.SERVER_CORE, sys.executable, "-c", _IMPORTS]
    with machine.timed(command) as (seconds, pid):
        return seconds, machine.resident(pid) / 2**20
