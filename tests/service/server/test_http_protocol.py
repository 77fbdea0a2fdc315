"""Clients that are slow, endless or too many, on raw sockets."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from skiprnn_service.scoring import scheduler as scoring_work
from support.bundles import write_random_bundle
from support.servers import Running, serving

REQUEST = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx")
    with serving(folder, read_timeout_seconds=0.3, max_connections=20) as running:
        yield running


def plain(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def all_of(client: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def asked(client: socket.socket) -> int:
    """Sends REQUEST and takes the whole answer, which may come in parts; returns its status."""
    client.sendall(REQUEST)
    response = HTTPResponse(client)
    response.begin()
    response.read()
    return response.status


def trickle(client: socket.socket, data: bytes) -> bytes:
    """A byte at a time, faster than any time-out between bytes, until the server hangs up."""
    try:
        for byte in data:
            client.sendall(bytes([byte]))
            time.sleep(0.02)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return all_of(client)


def test_a_head_that_does_not_come_is_given_up(server: Running) -> None:
    with plain(server) as silent:
        head, _, body = all_of(silent).partition(b"\r\n\r\n")
        assert b" 408 " in head
        assert json.loads(body)["code"] == "timeout"


def test_what_is_no_http_is_answered_as_every_error_is(server: Running) -> None:
    with plain(server) as stranger:
        stranger.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        response = HTTPResponse(stranger)
        response.begin()
        assert (response.status, response.headers["Content-Type"]) == (400, "application/json")
        body = json.loads(response.read())
        assert (body["code"], body["error"][:28]) == ("http", "expected an HTTP/1.1 request")


def test_a_head_that_trickles_in_is_given_up(server: Running) -> None:
    with plain(server) as slow:
        assert b" 408 " in trickle(slow, b"GET / HTTP/1.1\r\n" + b"X-More: and more\r\n" * 10)


def test_a_body_that_stops_coming_is_given_up(server: Running) -> None:
    head = b"POST /v1/models/watch/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with plain(server) as slow:
        slow.sendall(head + b'{"sequences"')
        assert b" 408 " in all_of(slow)


def test_a_body_that_the_server_itself_keeps_waiting_is_not_given_up(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        scoring_work, "_BYTES_A_SECOND", 1 << 20
    )  # a second for the first piece: time-outs are shorter
    body = json.dumps({"sequences": [[[0.25] * 3] * 20_000] * 10}).encode()
    url = f"{server.http}/v1/models/watch/score?updates=false"
    with connect(server.url()) as stream:
        stream.recv()
        answer = httpx.post(url, content=body, headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code == 200


@pytest.mark.parametrize("endless", [b"X-More: and more\r\n", b"x", b"GET / HTTP/1.1\r\n"])
def test_an_endless_head_costs_bounded_memory(server: Running, endless: bytes) -> None:
    with plain(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX-First: ")
        try:
            for _ in range(20_000):
                client.sendall(endless * (4096 // len(endless)))
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = all_of(client)
        assert answer == b"" or b" 431 " in answer or b" 400 " in answer


@pytest.mark.parametrize("endless", [b"X: y\r\n", b"a"])
def test_endless_trailers_cost_bounded_memory_and_time(server: Running, endless: bytes) -> None:
    head = b"POST /v1/models/watch/score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with plain(server) as client:
        client.sendall(head + b"2\r\n{}\r\n0\r\nX: ")
        sent = 0
        with contextlib.suppress(ConnectionError):  # the server hangs up
            while sent < 50_000_000:
                client.sendall(endless * (65_536 // len(endless)))
                sent += 65_536
        assert sent < 50_000_000
    with plain(server) as client:  # slower than the limit of their bytes
        client.sendall(head + b"2\r\n{}\r\n0\r\n")
        assert b" 408 " in trickle(client, endless * 3_000)


def test_trailers_are_dropped(server: Running) -> None:
    body = json.dumps({"sequences": [[[0.25] * 3]]}).encode()
    with plain(server) as client:
        client.sendall(
            b"POST /v1/models/watch/score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"%x\r\n%b\r\n0\r\nHost: elsewhere\r\n\r\n" % (len(body), body)
        )
        response = HTTPResponse(client)
        response.begin()
        assert response.status == 200


def test_an_empty_line_after_an_answer_begins_a_head_that_must_come(server: Running) -> None:
    with plain(server) as client:
        assert asked(client) == 200
        client.sendall(b"\r\n")
        assert b" 408 " in all_of(client)


def test_a_client_that_does_not_read_an_answer_is_cut_off(tmp_path: Path) -> None:
    """One answer of a mebibyte, as those of /v2, which is written at once; the server may only close after it."""
    write_random_bundle(tmp_path / "watch.onnx")
    with serving(tmp_path, slow_client_timeout_seconds=0.3) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        page = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.sendall(page * 500)
        time.sleep(1)
        until = time.monotonic() + 10
        while connections(server) and time.monotonic() < until:
            time.sleep(0.02)
        assert not connections(server)


def test_a_client_that_reads_a_large_answer_slowly_gets_all_of_it(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    sequences = [[[0.25] * 3] * 2_000] * 40
    with serving(tmp_path, slow_client_timeout_seconds=0.5) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        body = json.dumps({"sequences": sequences}).encode()
        client.sendall(b"POST /v1/models/watch/score HTTP/1.1\r\nHost: localhost\r\n")
        client.sendall(b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        client.settimeout(30)
        size, answer = 0, b""
        while part := client.recv(65_536):
            size, answer = size + len(part), answer or part
            time.sleep(0.01)
    length = int(answer.lower().partition(b"content-length: ")[2].split()[0])
    assert size == len(answer.partition(b"\r\n\r\n")[0]) + 4 + length


def connections(server: Running) -> int:
    async def count() -> int:
        return sum(1 for task in asyncio.all_tasks() if "run_asgi" in repr(task.get_coro()))

    return int(server.call(count()))


def test_requests_that_are_whole_are_answered_one_after_another_on_a_connection(server: Running) -> None:
    with plain(server) as client:
        for _ in range(3):
            assert asked(client) == 200
            time.sleep(0.2)  # between requests uvicorn's keep-alive counts, not the time for a head


def test_connections_past_the_limit_are_told_so_and_the_others_go_on(server: Running) -> None:
    held, more = [plain(server) for _ in range(15)], list[socket.socket]()
    try:
        for client in held:
            assert asked(client) == 200
        more = [plain(server) for _ in range(10)]
        assert {asked(client) for client in more} == {200, 503}
        assert asked(held[0]) == 200
    finally:
        for client in held + more:
            client.close()


def test_a_websocket_is_not_hurried(server: Running) -> None:
    with connect(server.url()) as client:
        client.recv()
        time.sleep(0.5)
        client.send('{"x": [0, 0, 0]}')
        assert client.recv(5)


@pytest.mark.parametrize(
    ("head", "body"),
    [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")],
)
def test_a_handshake_with_a_body_is_answered(server: Running, head: str, body: str) -> None:
    lines = (
        "GET /v1/models/watch/stream HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
    )
    key = ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
    with plain(server) as client:
        client.sendall("\r\n".join((*lines, *key, head, "", body)).encode())
        answer = all_of(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "http"
