"""`python -m chaos.attacks`: what an innocent stream feels of attacks on scoring.

One stream sends a sample every few milliseconds, with an attack and without, in turns; every attack repeats one kind of
request from several connections as fast as it can, at the lowest priority, so that its own work is not measured. A row
an attack: the 99th percentile of the time to a reply in both, and their ratio. It ends with 1 where a ratio is too
large, the server ended, or an output was wrong. `chrt -r 5` before the command keeps other work on the machine from
being measured.
"""

import argparse
import contextlib
import gzip
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import numpy as np
from fuzz.bodies import damaged, seeds

from chaos.cluster import MODEL
from chaos.run import models
from skiprnn_client import connect_sync
from skiprnn_export import Bundle, read, unroll
from skiprnn_service.scoring.formats.registry import FORMATS
from support.hostile_bodies import HOSTILE, MIB
from support.server_process import ServerProcess

_MOST_RATIO = 1.5
_CONNECTIONS = 4


class Attack(NamedTuple):
    """Requests of one kind.

    Attributes:
        bodies: made once; each request takes one of them.
        leave: hang up before the answer.
        connections: at a time.
    """

    format: str
    bodies: Callable[[], list[bytes]]
    encoding: str = "identity"
    leave: bool = False
    connections: int = _CONNECTIONS


def _one(name: str) -> Attack:
    return Attack(HOSTILE[name].format, lambda: [HOSTILE[name].body()])


def _damaged(format_name: str) -> list[bytes]:
    rng = random.Random(0)
    return [damaged(rng, rng.choice(seeds()[format_name])) for _ in range(500)]


_SEQUENCE = b'{"x":[' + b",".join([b"[0,0,0]"] * 120_000) + b"]}"
ATTACKS = {
    **{
        name: _one(name)
        for name in (
            "offsets added",
            "5e8 samples of nulls",
            "an id of 256 MiB",
            "an unused column of 1.5 GiB",
            "a dictionary of 1 GiB",
            "140,000 columns",
            "9,000 minuses",
            "lengths of 10^13",
        )
    },
    **{f"damaged {name}": Attack(name, partial(_damaged, name)) for name in ("arrow", "parquet", "npz")},
    "40 bodies of 10 MB in gzip": Attack(
        "npy", lambda: [gzip.compress(bytes(10 * MIB))], encoding="gzip", connections=40
    ),
    "300 MiB of blank lines": Attack("ndjson", lambda: [gzip.compress(b"\n" * (300 * MIB))], encoding="gzip"),
    "long sequences, and the client leaves": Attack("ndjson", lambda: [_SEQUENCE], leave=True),
}


# -- the attacker


def attack(name: str, port: int, folder: Path) -> None:
    """Repeat an attack for ever."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    bodies = [file.read_bytes() for file in sorted(folder.iterdir())]
    threads = [
        Thread(target=_repeat, args=(ATTACKS[name], port, bodies, number))
        for number in range(ATTACKS[name].connections)
    ]
    for thread in threads:
        thread.start()


def _repeat(attack: Attack, port: int, bodies: list[bytes], number: int) -> None:
    rng = random.Random(number)
    while True:
        os.write(1, f"{_request(attack, port, rng.choice(bodies))}\n".encode())  # whole, beside other threads
        time.sleep(0.02)  # hundreds a second


def _request(attack: Attack, port: int, body: bytes) -> str:
    """The status of the answer."""
    head = (
        f"POST /v1/models/{MODEL}/score HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        f"Content-Type: {FORMATS[attack.format].types[0]}\r\nContent-Encoding: {attack.encoding}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port)) as client:
        with contextlib.suppress(OSError):  # it may be answered before its end
            client.sendall(head.encode() + body)
            if attack.leave:
                time.sleep(0.1)
                return "left"
        with contextlib.suppress(OSError):
            return client.recv(65_536)[9:12].decode() or "closed"
    return "reset"


# -- the innocent stream


def stream(url: str, x: np.ndarray, bundle: Bundle, pause_seconds: float) -> list[float]:
    """Seconds to each reply. Raises AssertionError where an output is not that of the offline unroll."""
    seconds, updates = list[float](), list[int]()
    with connect_sync(url) as connection:
        for sample in x:
            time.sleep(pause_seconds)
            began = time.perf_counter()
            reply = connection.send(sample[None])
            seconds.append(time.perf_counter() - began)
            updates += [update.t for update in reply.updates]
    assert updates == unroll(bundle, x).t.tolist()
    return seconds


def p99_us(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99)) * 1e6


class Found(NamedTuple):
    """What a stream felt: the 99th percentile without and with an attack, in µs, and the answers of the attack."""

    without: float
    during: float
    answers: str


def measure(name: str, server: ServerProcess, bundle: Bundle, said: argparse.Namespace) -> Found:
    x = np.random.default_rng(0).standard_normal((said.samples, 3)).astype(np.float32)
    without, during, answers = list[float](), list[float](), Counter[str]()
    url = server.url(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        for number, body in enumerate(ATTACKS[name].bodies()):
            (Path(folder) / f"{number:04}").write_bytes(body)
        for _ in range(said.rounds):
            without.append(p99_us(stream(url, x, bundle, said.pause_seconds)))
            command = [sys.executable, "-m", "chaos.attacks", "--attack", name, folder, str(server.port)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as attacker:
                assert attacker.stdout is not None
                answers[attacker.stdout.readline().strip()] += 1
                during.append(p99_us(stream(url, x, bundle, said.pause_seconds)))
                attacker.kill()
                answers.update(attacker.stdout.read().split())
    said_of = ", ".join(f"{count} × {status}" for status, count in answers.most_common())
    return Found(statistics.median(without), statistics.median(during), said_of)


def main() -> int:
    parser = argparse.ArgumentParser(description="Attack scoring beside a stream.")
    parser.add_argument("--only", choices=ATTACKS, help="default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--pause-seconds", type=float, default=0.005)
    parser.add_argument("--attack", nargs=3, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.attack:
        name, folder, port = said.attack
        attack(name, int(port), Path(folder))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        models(Path(folder))
        bundle = read(Path(folder) / f"{MODEL}.onnx")
        with ServerProcess(Path(folder)) as server:
            pid, most = server.pid, 0.0
            print(
                "| attack | p99 without, µs | during, µs | ratio | answers |\n|---|---|---|---|---|",
                flush=True,
            )
            for name in [said.only] if said.only else ATTACKS:
                found = measure(name, server, bundle, said)
                most = max(most, found.during / found.without)
                ratio = f"{found.during / found.without:.2f}"
                print(
                    f"| {name} | {found.without:.0f} | {found.during:.0f} | {ratio} | {found.answers} |",
                    flush=True,
                )
            alive = server.pid == pid and server._listens()
    return 0 if alive and most <= _MOST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
