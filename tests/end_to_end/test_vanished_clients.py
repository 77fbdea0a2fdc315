"""A client that is cut off says nothing, not even goodbye: no FIN, no RST. The server notices, parks and frees."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support.bundles import write_random_bundle
from support.programs import need
from support.serve_command import address, start

CLIENT = """
import sys, time
from websockets.sync.client import connect
socket = connect(sys.argv[1], ping_interval=None)
socket.recv()
socket.send('{"x": [0, 0, 0]}')
socket.recv()
print("streaming", flush=True)
time.sleep(600)
"""


class Link(NamedTuple):
    """A network of two hosts: this one and a namespace."""

    ip: str
    namespace: str
    here: str


@pytest.fixture
def link() -> Iterator[Link]:
    """A namespace with a cable to us. Both are gone afterwards."""
    ip, name = need("ip"), f"skiprnn-{time.time_ns() % 1_000_000}"
    cable = f"sk{name[-6:]}"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
    try:
        for words in (
            f"link add {cable} type veth peer name eth0 netns {name}",
            f"address add 10.203.77.1/30 dev {cable}",
            f"link set {cable} up",
            f"-n {name} address add 10.203.77.2/30 dev eth0",
            f"-n {name} link set eth0 up",
        ):
            subprocess.run([ip, *words.split()], check=True)
        yield Link(ip, name, "10.203.77.1")
    finally:
        subprocess.run([ip, "netns", "delete", name], check=True)
        subprocess.run([ip, "link", "delete", cable], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "flags",
    [
        ["--ping-interval-seconds", "0.3", "--ping-timeout-seconds", "0.3"],
        ["--idle-timeout-seconds", "0.8"],
    ],
    ids=["no pong", "nothing heard"],
)
def test_a_client_whose_network_is_gone_is_noticed_parked_and_freed(
    link: Link, tmp_path: Path, flags: list[str]
) -> None:
    write_random_bundle(tmp_path / "watch.onnx", name="watch")
    where = ["--host", link.here, "--port", "0", "--allow-unauthenticated", "--models-dir", str(tmp_path)]
    server = start(*where, *flags, "--drain-seconds", "0", "--log-level", "error")
    try:
        http = address(server)
        url = http.replace("http", "ws") + "/v1/models/watch/stream?stream_id=far"
        inside = [link.ip, "netns", "exec", link.namespace, sys.executable, "-c", CLIENT, url]
        client = subprocess.Popen(inside, stdout=subprocess.PIPE, text=True)
        try:
            assert client.stdout
            assert client.stdout.readline() == "streaming\n"
            assert _streams(http) == (1, 0)
            subprocess.run([link.ip, "-n", link.namespace, "link", "set", "eth0", "down"], check=True)
            _wait_for(http, (0, 1))
            assert client.poll() is None, "the client does not know"
        finally:
            client.kill()
            client.communicate()
    finally:
        server.terminate()
        server.communicate(timeout=30)


def _streams(http: str) -> tuple[int, int]:
    """Live and parked."""
    lines = dict(
        line.rsplit(" ", 1) for line in httpx.get(f"{http}/metrics").text.splitlines() if line[0] != "#"
    )
    live = sum(float(value) for name, value in lines.items() if name.startswith("skiprnn_streams_live"))
    return int(live), int(float(lines["skiprnn_streams_parked"]))


def _wait_for(http: str, expected: tuple[int, int]) -> None:
    for _ in range(600):
        if _streams(http) == expected:
            return
        time.sleep(0.05)
    raise AssertionError(f"expected {expected} live and parked, got {_streams(http)}")
