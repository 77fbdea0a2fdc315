"""Opening a connection: addresses, options, and what a failure means."""

import socket
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from skiprnn_client import ConnectionFailed, ConnectionRejected, connect, connect_sync, stream_sync
from support.fake_server import FEATURES, Refusal, fake_server

X = np.ones(FEATURES)


async def test_options_go_into_the_query() -> None:
    with fake_server() as server:
        async with connect(server.url + "?colour=red", stream_id="a b", threshold=0.75, version="3"):
            pass
    assert (
        server.streams[0].path == "/v1/models/fake/stream?colour=red&stream_id=a+b&threshold=0.75&version=3"
    )


async def test_http_addresses_are_taken_too() -> None:
    with fake_server() as server:
        async with connect(server.url.replace("ws://", "http://")) as connection:
            await connection.send(X)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost/x", "ws:///v1"])
async def test_other_addresses_are_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="url: expected ws://HOST:PORT"):
        async with connect(url):
            pass


async def test_another_encoding_is_rejected() -> None:
    with pytest.raises(ValueError, match="encoding: expected 'f32' or 'json', got 'f64'"):
        async with connect("ws://localhost/x", encoding="f64"):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize(
    ("body", "reason"),
    [('{"error": "no model \'fake\'"}', "no model 'fake'"), ("gone", "gone"), ("", "Not Found")],
)
async def test_a_rejection_carries_status_and_reason(body: str, reason: str) -> None:
    def reject(socket: ServerConnection, _request: Request) -> Response:
        response = socket.respond(HTTPStatus.NOT_FOUND, body)
        response.headers["Retry-After"] = "7"
        return response

    with fake_server(reject=reject) as server, pytest.raises(ConnectionRejected) as caught:
        async with connect(server.url):
            pass
    assert (caught.value.status, caught.value.reason) == (404, reason)
    assert caught.value.retry_after_seconds == 7


async def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        with pytest.raises(ConnectionFailed, match=r"ws://127\.0\.0\.1"):
            async with connect(f"ws://127.0.0.1:{taken.getsockname()[1]}/x"):
                pass


def test_a_key_and_other_headers_are_sent() -> None:
    seen: list[Any] = []

    def look(_: ServerConnection, request: Request) -> None:
        seen.append((request.headers["Authorization"], request.headers["X-Site"]))

    reject: Refusal = look
    with fake_server(reject=reject) as server:
        options: dict[str, Any] = {"api_key": "sk-1", "headers": {"X-Site": "north"}}
        with connect_sync(server.url, **options):
            pass
        list(stream_sync(server.url, [X], **options))
    assert seen == [("Bearer sk-1", "north")] * 2
