"""A live stream and its ownership."""

import asyncio
from pathlib import Path

import numpy as np

from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.streams.session import StreamSession
from support.bundles import write_random_bundle


class Silent:
    """A listener that needs nothing."""

    def on_reply(self, reply: object) -> None: ...
    def on_error(self, error: object) -> None: ...
    def on_saved(self) -> None: ...
    def on_go_away(self, seconds: float) -> None: ...
    def on_lost(self, code: int, reason: str) -> None: ...


async def test_a_session_knows_its_id_its_progress_and_when_it_is_over(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx", features=3)
    models = ModelRepository(tmp_path)
    models.load()
    model, listener = models.get("m"), Silent()
    slot = model.engine.open("alice%2F/s", on_reply=listener.on_reply, on_error=listener.on_error)
    session = StreamSession(model=model, slot=slot, epoch=7, listener=listener, principal="alice/")
    assert (session.id, session.key, session.principal) == ("s", ("m", "alice%2F/s"), "alice/")
    session.saved = 1
    session.engine.submit(slot, 0, 1, np.zeros(3, "<f4").tobytes())
    session.reset()
    while session.progress != (1, 0):
        await asyncio.sleep(0)
    assert session.saved == 0
    assert session.live
    session.engine.detach(slot)
    assert not session.live
    models.close()
