"""A real server on a free port of this machine, in a thread of the test's process."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from skiprnn_service.server.uvicorn_server import Server, make_server
from skiprnn_service.settings import load
from skiprnn_service.state import ServerState


class Running(NamedTuple):
    """A server that is up.

    Attributes:
        state: what it serves; touch it by `call` alone: it belongs to the server's thread.
    """

    port: int
    state: ServerState
    loop: asyncio.AbstractEventLoop

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, model: str = "watch") -> str:
        return f"ws://127.0.0.1:{self.port}/v1/models/{model}/stream"

    def call(self, work: Any) -> Any:
        """Await a coroutine on the server's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def serving(models: Path, **settings: Any) -> Iterator[Running]:
    """A server of a folder of models, for the length of the block; it drains at the end."""
    fast: dict[str, Any] = {"port": 0, "drain_seconds": 0, "log_level": "error"}
    started, found = Event(), list[int]()

    def on_started(port: int, _: Sequence[str]) -> None:
        found.append(port)
        loops.append(asyncio.get_running_loop())
        started.set()

    loops: list[asyncio.AbstractEventLoop] = []
    server = make_server(load(models_dir=models, **(fast | settings)), on_started=on_started)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = Thread(target=_run, args=(server, started))
    thread.start()
    try:
        started.wait(30)
        assert found, "the server did not start"
        yield Running(found[0], server.config.app.state.server, loops[0])  # type: ignore[union-attr]
    finally:
        server.should_exit = True
        thread.join(30)


def _run(server: Server, started: Event) -> None:
    try:
        server.run()
    finally:
        started.set()
