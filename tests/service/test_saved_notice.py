"""A client that waits for `saved` hears of it, whatever was said before (docs/reference/protocol.md)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from support.bundles import write_random_bundle
from support.servers import serving


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[ClientConnection]:
    (tmp_path / "models").mkdir()
    write_random_bundle(tmp_path / "models" / "watch.onnx", features=3)
    durable: dict[str, Any] = {
        "store_url": f"sqlite:///{tmp_path / 'streams.db'}",
        "snapshot_interval_seconds": 0.1,
    }
    with serving(tmp_path / "models", **durable) as server, connect(server.url(), compression=None) as socket:
        hear(socket)
        yield socket


def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(10))
    return message


def send(socket: ClientConnection, n: int) -> None:
    socket.send(json.dumps({"x": [[0.0] * 3] * n}))


def test_a_reply_older_than_the_write_is_followed_by_a_notice(socket: ClientConnection) -> None:
    send(socket, 7)
    assert hear(socket)["saved"] == 0
    assert hear(socket) == {"type": "saved", "saved": 7, "sequence": 0}


def test_a_reset_that_is_saved_is_told_even_if_nothing_followed_it(socket: ClientConnection) -> None:
    send(socket, 7)
    hear(socket)
    socket.send(json.dumps({"type": "reset"}))
    notices = [hear(socket)]
    if notices[0]["sequence"] == 0:  # written between the two
        notices.append(hear(socket))
    assert notices[-1] == {"type": "saved", "saved": 0, "sequence": 1}


def test_nothing_is_told_twice(socket: ClientConnection) -> None:
    send(socket, 7)
    hear(socket)
    hear(socket)
    with pytest.raises(TimeoutError):
        socket.recv(1.5)
