"""Clients that vanish without a word (no FIN, no RST): the server notices, parks their streams, frees their rows."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.bundles import write_random_bundle
from support.cut_link import SERVER_ADDRESS, CutLink

_PORT = 8080  # of a namespace of its own
_PATIENCE_SECONDS = 60.0
_SAMPLES = 50

_STREAM = f"""
import sys, time, numpy as np
from skiprnn_client import connect_sync
with connect_sync(sys.argv[1], stream_id="s") as connection:
    print(connection.ready.resumed, connection.ready.next, flush=True)
    connection.send(np.zeros(({_SAMPLES}, 3), np.float32))
    print("sent", flush=True)
    time.sleep(float(sys.argv[2]))
"""
_FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"


class Served:
    """A server at the far end of a link, and clients at the near one."""

    def __init__(self, link: CutLink) -> None:
        self.link = link

    def metrics(self) -> dict[str, float]:
        """Name, without labels → value; asked for from beside the server, where the cut does not reach."""
        url = f"http://127.0.0.1:{_PORT}/metrics"
        command = self.link.inside(self.link.server, "-c", _FETCH, url)
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name.split("{")[0]: float(value) for name, value in pairs}

    def wait_until(self, **expected: float) -> dict[str, float]:
        """Metrics, once these have these values; the last ones seen if they never do."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = self.metrics()
            if expected.items() <= found.items() or time.monotonic() > until:
                return found
            time.sleep(0.1)

    @contextmanager
    def client(self, namespace: str, host: str, seconds: float) -> "Iterator[subprocess.Popen[str]]":
        """A client that has sent its samples and holds its connection; what it said first is its first line."""
        url = f"ws://{host}:{_PORT}/v1/models/watch/stream"
        command = self.link.inside(namespace, "-c", _STREAM, url, str(seconds))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def served(folder: Path, *flags: str) -> Iterator[Served]:
    write_random_bundle(folder / "watch.onnx", name="watch")
    with CutLink() as link:
        serve = ("-c", "from skiprnn_cli import main; main()", "serve", "--host=0.0.0.0", f"--port={_PORT}")
        said = (f"--models-dir={folder}", "--allow-unauthenticated", "--log-level=error", *flags)
        command = link.inside(link.server, *serve, *said)
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}
        ) as process:
            try:
                there = Served(link)
                _wait_for(there)
                yield there
            finally:
                process.kill()


def _wait_for(there: Served) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            there.metrics()
            return
        except subprocess.CalledProcessError:
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.1)


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("flags", "idle"),
    [
        (("--ping-interval-seconds=0.5", "--ping-timeout-seconds=0.5", "--idle-timeout-seconds=1000"), 0.0),
        (("--ping-interval-seconds=1000", "--ping-timeout-seconds=1000", "--idle-timeout-seconds=2"), 1.0),
    ],
    ids=["no pong", "nothing heard"],
)
def test_a_client_whose_link_is_cut_is_noticed_and_its_stream_waits_for_it(
    flags: tuple[str, ...], idle: float, tmp_path: Path
) -> None:
    with served(tmp_path, *flags) as there:
        with there.client(there.link.client, SERVER_ADDRESS, 1000) as client:
            assert [line(client), line(client)] == ["False 0", "sent"]
            assert there.metrics()["skiprnn_streams_live"] == 1
            there.link.cut()
            after = there.wait_until(skiprnn_streams_live=0, skiprnn_streams_parked=1)
            assert client.poll() is None, "the client still believes in its connection"
        assert (after["skiprnn_streams_live"], after["skiprnn_streams_parked"]) == (0, 1)
        assert after["skiprnn_stream_idle_timeouts_total"] == idle
        with there.client(there.link.server, "127.0.0.1", 0) as client:
            assert line(client) == f"True {_SAMPLES}"
