"""Hostile requests to score: each costs its own request alone, and streams go on."""

import asyncio
import gzip
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Self

import httpx
import numpy as np
import pytest

from skiprnn_client import connect_sync
from skiprnn_export import Bundle, unroll
from skiprnn_service.scoring.formats.registry import FORMATS
from support.bundles import random_sequence, write_random_bundle
from support.hostile_bodies import HOSTILE, MIB, Hostile
from support.score_bodies import as_arrow, as_npy, nested
from support.server_process import ServerProcess
from support.servers import Running, serving

Post = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp("models") / "watch.onnx", hidden=16, outputs=2)


@pytest.fixture(scope="module")
def server(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "watch.onnx").write_bytes(bundle.model)
    write_random_bundle(folder / "slow.onnx", hidden=1024, gate_bias=30)
    limits = {"scoring_memory_bytes": 512 * MIB, "scoring_cpu_seconds": 1}
    with ServerProcess(folder, scoring_priority="normal", **limits) as running:
        yield running


@pytest.fixture
def post(server: ServerProcess, bundle: Bundle) -> Iterator[Post]:
    """Posts a body beside a live stream, whose outputs are right before and after; the server is still the same."""
    x, pid = random_sequence(bundle, 60), server.pid
    with connect_sync(server.url()) as stream:
        updates = list(stream.send(x[:20]).updates)

        def post(format_name: str, body: bytes, model: str = "watch") -> httpx.Response:
            url = f"http://127.0.0.1:{server.port}/v1/models/{model}/score?updates=false"
            headers = {"Content-Type": FORMATS[format_name].types[0]}
            answer = httpx.post(url, content=body, headers=headers, timeout=120)
            if answer.status_code != 200:
                assert set(answer.json()) == {"error", "code"}
            return answer

        yield post
        updates += stream.send(x[20:]).updates
        expected = unroll(bundle, x)
        assert [update.t for update in updates] == expected.t.tolist()
        np.testing.assert_array_equal(np.stack([update.y for update in updates]), expected.y)
    assert server.pid == pid
    assert post("arrow", as_arrow(nested([x]))).status_code == 200


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_costs_its_request_alone(post: Post, server: ServerProcess, hostile: Hostile) -> None:
    answer = post(hostile.format, hostile.body())
    assert answer.status_code in hostile.statuses, answer.text
    assert peak_bytes(server.pid) < 512 * MIB  # the server's own memory


def peak_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _children(task)]


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


@pytest.mark.parametrize("size", [0.9, 3], ids=["small", "large"])
def test_a_body_that_ends_the_process_is_an_error_of_its_request(
    post: Post, server: ServerProcess, size: float
) -> None:
    answers = list[httpx.Response]()
    body = as_npy(np.zeros((int(size * MIB) // 12, 3), np.float32))
    asking = Thread(target=lambda: answers.append(post("npy", body, "slow")))
    asking.start()
    while not (started := busy(server.pid)):
        time.sleep(0.005)
    for child in started:
        os.kill(child, signal.SIGABRT)
    asking.join()
    assert (answers[0].status_code, answers[0].json()["code"]) == (500, "inference")
    assert "the process that scored has died (Aborted)" in answers[0].json()["error"]


def busy(pid: int) -> list[int]:
    """Scoring processes that have a file of a job open."""
    workers = [child for child in children(pid) if "scoring.worker" in command(child)]
    return [child for child in workers if any("deleted" in link for link in links(child))]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # it has ended
        return ""


def links(pid: int) -> list[str]:
    found = list[str]()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        if file.name in "012":  # a test's standard error is such a file too
            continue
        try:
            found.append(str(file.readlink()))
        except OSError:  # closed meanwhile
            continue
    return found


@pytest.mark.parametrize(
    ("format_name", "body"),
    [
        ("json", b'{"sequences":[[' + b",".join([b"[0,0,0]"] * 8_000) + b"]]}"),
        ("npy", as_npy(np.zeros((400_000, 3), np.int8))),
    ],
    ids=["on a thread", "in a process"],
)
def test_a_request_that_takes_too_long_is_ended(post: Post, format_name: str, body: bytes) -> None:
    answer = post(format_name, body, "slow")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large"), answer.text
    assert "1 s of processor time at most (scoring_cpu_seconds)" in answer.json()["error"]


# -- the queue and the disk


SCORE, INFER = "/v1/models/{}/score", "/v2/models/{}/infer"


def request_head(path: str, size: int, **headers: str) -> bytes:
    lines = {"Host": "127.0.0.1", "Content-Length": str(size)} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode()


class Upload:
    """A connection that has sent a part of a body; open for the length of the block."""

    def __init__(
        self, port: int, sent: bytes, size: int, path: str = SCORE.format("watch"), **headers: str
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        headers = {"Content_Type": "application/x-npy"} | headers
        self._socket.sendall(request_head(path, size, **headers) + sent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def answer(self) -> bytes:
        """What comes of it, without its end being sent."""
        self._socket.settimeout(60)
        received = b""
        while b"}" not in received:
            received += self._socket.recv(65_536)
        return received


@pytest.fixture
def narrow(bundle: Bundle, tmp_path: Path) -> Iterator[Running]:
    """A server with three places, and four mebibytes of disk."""
    (tmp_path / "watch.onnx").write_bytes(bundle.model)
    limits = {"max_scoring": 1, "max_scoring_waiting": 2, "max_spool_bytes": 8 * MIB}
    with serving(tmp_path, scoring_priority="normal", **limits) as running:
        yield running


def spooled(server: Running) -> int:
    spool = server.state.scoring.spool
    return spool.max_bytes - spool._free


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.002)


def test_a_large_body_takes_its_place_before_its_second_mebibyte(narrow: Running) -> None:
    packed = gzip.compress(bytes(2 * MIB))

    def upload() -> Upload:
        return Upload(narrow.port, packed[:-10], len(packed), Content_Encoding="gzip")

    with ExitStack() as uploads:
        for _ in range(3):
            uploads.enter_context(upload())
        lane = narrow.state.scoring.large
        wait_until(lambda: lane._places == 3)
        for _ in range(37):
            with upload() as more:
                answer = more.answer()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in answer.lower()
            assert b"(max_scoring_waiting)" in answer
        assert spooled(narrow) < 8 * MIB
        small = httpx.post(f"{narrow.http}/v1/models/watch/score", json={"sequences": [[[0.0] * 3]]})
        assert small.status_code == 200
    wait_until(lambda: not lane._places and not spooled(narrow))


def test_bodies_share_the_disk(narrow: Running) -> None:
    with Upload(narrow.port, bytes(6 * MIB), 7 * MIB):
        wait_until(lambda: spooled(narrow) > 5 * MIB)
        with Upload(narrow.port, bytes(4 * MIB), 7 * MIB) as second:
            answer = second.answer()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in answer.lower()
        assert b"8388608 bytes at most in all requests (max_spool_bytes)" in answer
    wait_until(lambda: not spooled(narrow))
    with Upload(narrow.port, b"", 9 * MIB) as larger:
        assert b"expected 8388608 bytes at most (max_spool_bytes), got 9437184" in larger.answer()


def test_an_answer_waits_for_the_disk_that_bodies_hold(narrow: Running) -> None:
    body = b'{"x":[[0,0,0]]}\n' * 40_000
    url, headers = f"{narrow.http}/v1/models/watch/score", {"Content-Type": "application/x-ndjson"}
    with Upload(narrow.port, bytes(7 * MIB + 1000), 8 * MIB):
        wait_until(lambda: spooled(narrow) > 7 * MIB - 200_000)
        answer = httpx.post(url, content=body, headers=headers, timeout=60)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "(max_spool_bytes)" in answer.json()["error"]
    wait_until(lambda: not spooled(narrow))
    answer = httpx.post(url, content=body, headers=headers, timeout=60)
    assert (answer.status_code, len(answer.json()["scores"])) == (200, 40_000)
    wait_until(lambda: not spooled(narrow))


def test_tensors_take_their_place_before_their_second_mebibyte(narrow: Running) -> None:
    def upload() -> Upload:
        octets = "application/octet-stream"
        return Upload(narrow.port, bytes(2 * MIB), 3 * MIB, INFER.format("watch"), Content_Type=octets)

    lane = narrow.state.scoring.small
    with ExitStack() as uploads:
        for _ in range(3):
            uploads.enter_context(upload())
        wait_until(lambda: lane._places == 3)
        with upload() as more:
            assert b"(max_scoring_waiting)" in more.answer()
    wait_until(lambda: not lane._places)


@pytest.mark.parametrize("path", [SCORE, INFER])
def test_a_client_that_leaves_ends_its_work_on_a_thread(narrow: Running, tmp_path: Path, path: str) -> None:
    """Else it would take a minute."""
    write_random_bundle(tmp_path / "slow.onnx", hidden=1024, gate_bias=30, features=1)
    narrow.call(asyncio.to_thread(narrow.state.models.load))
    rows = b",".join([b"[0]"] * 16_000)
    body = b'{"sequences":[[' + rows + b"]]}"
    if path == INFER:
        tensor = b'"datatype":"FP32","shape":[1,16000,1]'
        body = b'{"inputs":[{"name":"x",' + tensor + b',"data":[' + b",".join([b"0"] * 16_000) + b"]}]}"
    head = request_head(path.format("slow"), len(body), Content_Type="application/json")
    lane = narrow.state.scoring.small
    with socket.create_connection(("127.0.0.1", narrow.port)) as client:
        client.sendall(head + body)
        wait_until(lambda: lane._turns.locked())
    began = lane._threads.submit(time.monotonic)
    began.result(30)  # the thread is free again
