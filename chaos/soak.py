"""`python -m chaos.soak --minutes 60`: clients come and go for an hour; memory and file descriptors must stay flat.

Each client opens a stream, sends for a while, and ends it, parks it, resumes it later, or is gone without a word. A
line every half minute says what the server holds.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np

from chaos.cluster import MODEL
from chaos.run import models
from skiprnn_client import ClientError, connect_sync
from support.server_process import ServerProcess

_LOOK_SECONDS = 30.0
_MOST_GROWTH = 1.1  # of the median of the last third over that of the middle third
_FILES_OF_A_CLIENT = 1


class Look(NamedTuple):
    """What the server holds, so many seconds after the start."""

    seconds: float
    resident_mib: float
    files: int
    streams: int


def look(server: ServerProcess, started: float, streams: int) -> Look:
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    files = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    return Look(time.monotonic() - started, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, files, streams)


def churn(url: str, number: int, over: Event) -> int:
    """One client after another until it is over. Returns how many streams."""
    rng, count = random.Random(number), 0
    while not over.is_set():
        x = (
            np.random.default_rng(rng.getrandbits(32))
            .standard_normal((rng.randint(1, 400), 3))
            .astype(np.float32)
        )
        try:
            with connect_sync(url, stream_id=f"s-{number}-{rng.randrange(50)}") as connection:
                for block in np.array_split(x, rng.randint(1, len(x))):
                    connection.send(block)
                if rng.random() < 0.5:
                    connection.end()
        except ClientError as error:
            print(f"client {number}: {error}", flush=True)
        count += 1
        time.sleep(rng.uniform(0, 0.05))
    return count


def soak(minutes: float, clients: int) -> list[Look]:
    """Churn for so long. Returns what was seen on the way."""
    with tempfile.TemporaryDirectory() as name:
        folder, over = Path(name), Event()
        models(folder / "models")
        store = f"sqlite:///{folder / 'streams.db'}"
        with (
            ServerProcess(folder / "models", store_url=store, stream_ttl_seconds=20) as server,
            ThreadPoolExecutor(clients) as pool,
        ):
            started, looks = time.monotonic(), list[Look]()
            playing = [pool.submit(churn, server.url(MODEL), number, over) for number in range(clients)]
            while time.monotonic() - started < minutes * 60:
                time.sleep(min(_LOOK_SECONDS, minutes * 6))
                looks.append(look(server, started, 0))
                print("{:6.0f} s  {:7.1f} MiB  {:4d} files".format(*looks[-1][:3]), flush=True)
            over.set()
            streams = sum(future.result(60) for future in playing)
            looks.append(look(server, started, streams))
    return looks


def main() -> int:
    parser = argparse.ArgumentParser(description="Churn clients and watch the server's memory.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=8)
    said = parser.parse_args()
    looks = soak(said.minutes, said.clients)
    third = len(looks) // 3
    middle, last = (
        statistics.median(one.resident_mib for one in part)
        for part in (looks[third : 2 * third], looks[2 * third :])
    )
    print(f"{looks[-1].streams} streams in {looks[-1].seconds / 60:.1f} minutes")
    print(
        f"resident: {middle:.1f} MiB in the middle third, {last:.1f} MiB in the last ({last / middle:.3f} ×)"
    )
    print(f"files: {looks[0].files} first, {max(one.files for one in looks)} most, {looks[-1].files} last")
    most_before = max(one.files for one in looks[: 2 * third])
    flat = max(one.files for one in looks[2 * third :]) <= most_before + _FILES_OF_A_CLIENT * said.clients
    return 0 if flat and last <= _MOST_GROWTH * middle else 1


if __name__ == "__main__":
    sys.exit(main())
