"""Curves: throughput and p99 against streams, skip rate, size and chunk length; memory against idle streams."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, models, servers
from benchmarks.machine import BUILD, Load
from benchmarks.results import note
from benchmarks.servers import Ours

STREAMS = (1, 4, 16, 64, 256, 1000, 4000)
SKIPPED = (0, 50, 80, 90, 95, 99)  # percent
HIDDEN = (64, 128, 256, 512, 1024)
CHUNKS = (1, 4, 16, 64, 256)
IDLE = (100, 1000, 3000, 10_000)

Point = dict[str, float]


def draw(seconds: float) -> dict[str, list[Point]]:
    """Measure all curves and write their pictures to docs/images. Where not said otherwise: H = 128, 95 % skipped, 64
    streams, 64 samples a message."""
    folder = _bundles(BUILD / "curves")
    with servers.ours(folder, name="curves") as ours:
        found = {
            "streams": list(_curve(ours, "streams", STREAMS, _by_streams, seconds)),
            "skipped": list(_curve(ours, "percent skipped", SKIPPED, _by_skipped, seconds)),
            "hidden": list(_curve(ours, "H", HIDDEN, _by_hidden, seconds)),
            "chunk": list(_curve(ours, "samples a message", CHUNKS, _by_chunk, seconds)),
        }
    found["idle"] = [_idle(folder, count) for count in IDLE]
    _pictures(found)
    return found


def _bundles(folder: Path) -> Path:
    wanted = {(128, skipped) for skipped in SKIPPED} | {(hidden, 95) for hidden in HIDDEN}
    for hidden, skipped in sorted(wanted):
        if not (folder / f"h{hidden}s{skipped}.onnx").is_file():
            models.make(folder, f"h{hidden}s{skipped}", hidden=hidden, skipped=skipped / 100)
    return folder


# model, samples a message, connections
_Case = tuple[str, int, int]


def _by_streams(streams: int) -> _Case:
    return "h128s95", 1, streams


def _by_skipped(percent: int) -> _Case:
    return f"h128s{percent}", 64, 64


def _by_hidden(hidden: int) -> _Case:
    return f"h{hidden}s95", 64, 64


def _by_chunk(samples: int) -> _Case:
    return "h128s95", samples, 64


def _curve(
    ours: Ours, name: str, values: Sequence[int], case: Callable[[int], _Case], seconds: float
) -> Iterator[Point]:
    for value in values:
        model, samples, connections = case(value)
        load = ours.load(
            model, samples, connections=connections, seconds=seconds, warmup=max(0.5, connections / 2000)
        )
        note(f"{name} {value}: {load.messages_per_s * samples:,.0f} samples/s, p99 {load.p99_us:,.0f} µs")
        yield _point(value, samples, load)


def _point(value: int, samples: int, load: Load) -> Point:
    return {
        "x": value,
        "samples_per_s": load.messages_per_s * samples,
        "p50_us": load.p50_us,
        "p99_us": load.p99_us,
        "server_cpu": load.server_cpu,
    }


def _idle(folder: Path, count: int) -> Point:
    """Each on a fresh server: memory that was given back is not measured."""
    with servers.ours(folder, name="idle") as ours:
        before = machine.resident(ours.server.pid)
        opened, held = machine.resident_with_idle(
            ours.server, connections=count, path="/v1/models/h128s95/stream"
        )
    note(f"{opened} idle streams: {held / 2**20:.0f} MiB, {(held - before) / opened / 1024:.1f} KiB each")
    return {"x": opened, "mib": held / 2**20, "kib_each": (held - before) / opened / 1024}


# -- pictures


def _pictures(found: dict[str, list[Point]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    folder = machine.HERE.parent / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for name, label in (
        ("streams", "streams, one sample a message"),
        ("skipped", "percent skipped"),
        ("hidden", "H"),
        ("chunk", "samples a message"),
    ):
        _picture(folder / f"benchmark-{name}.png", found[name], label)
    _memory_picture(folder / "benchmark-idle.png", found["idle"])


def _picture(path: Path, points: list[Point], label: str) -> None:
    """Throughput on the left axis, p99 on the right one."""
    from matplotlib.figure import Figure

    figure = Figure((6, 3.2), layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    x = [point["x"] for point in points]
    _line(left, x, [point["samples_per_s"] for point in points], "samples/s", "tab:blue")
    _line(right, x, [point["p99_us"] / 1000 for point in points], "p99, ms", "tab:orange")
    if "percent" not in label:
        left.set_xscale("log", base=2)
        left.set_xticks(x, [f"{value:g}" for value in x])
    left.set_xlabel(label)
    figure.savefig(path, dpi=110)


def _line(axis: Any, x: list[float], y: list[float], label: str, color: str) -> None:
    axis.plot(x, y, "o-", color=color)
    axis.set_yscale("log")
    axis.set_ylabel(label, color=color)


def _memory_picture(path: Path, points: list[Point]) -> None:
    from matplotlib.figure import Figure

    figure = Figure((6, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.plot([point["x"] for point in points], [point["mib"] for point in points], "o-")
    axis.set_xlabel("idle streams")
    axis.set_ylabel("resident memory, MiB")
    axis.set_ylim(0)
    figure.savefig(path, dpi=110)
