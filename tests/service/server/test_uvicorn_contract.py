"""What StreamProtocol leans on in uvicorn, whose minor version pyproject.toml pins: its inner names and calls."""

import asyncio
import inspect

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import Protocol as SansIOConnection


def test_uvicorn_has_every_attribute_that_we_use() -> None:
    """pyproject.toml pins uvicorn's minor version. When this fails after an update, read wire.py line by line."""
    config = uvicorn.Config(lambda: None, log_config=None)
    config.load()
    base = WebSocketsSansIOProtocol(config, ServerState(), {}, asyncio.new_event_loop())
    try:
        kinds: dict[str, type] = {
            "close_sent": bool,
            "close_timeout": float,
            "close_timer": type(None),
            "conn": SansIOConnection,
            "curr_msg_data_type": str,
            "frames": list,
            "handshake_complete": bool,
            "loop": asyncio.AbstractEventLoop,
            "queue": asyncio.Queue,
            "read_paused": bool,
            "transport": type(None),
            "writable": asyncio.Event,
        }
        for name, kind in kinds.items():
            assert isinstance(getattr(base, name), kind), name
    finally:
        base.loop.close()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("__init__", ["self", "config", "server_state", "app_state", "_loop"]),
        ("data_received", ["self", "data"]),
        ("handle_connect", ["self", "event"]),
        ("receive", ["self"]),
        ("send", ["self", "message"]),
        ("send_receive_event_to_app", ["self"]),
        ("keepalive_timeout", ["self"]),
        ("pause_writing", ["self"]),
        ("resume_writing", ["self"]),
    ],
)
def test_uvicorn_has_every_method_that_we_override(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(WebSocketsSansIOProtocol, name)).parameters) == parameters


def test_uvicorn_calls_what_we_override() -> None:
    def source(name: str) -> str:
        return inspect.getsource(getattr(WebSocketsSansIOProtocol, name))

    assert "self.send_receive_event_to_app()" in source("handle_text")
    assert "self.send_receive_event_to_app()" in source("handle_bytes")
    assert "self.send_receive_event_to_app()" in source("handle_cont")
    assert "self.handle_connect(event)" in source("handle_events")
    assert "self.app(self.scope, self.receive, self.send)" in source("run_asgi")
    assert "if self.close_timer is None" in source("run_asgi")  # else the client's close frame is awaited
