"""The model folder is read again when it changes."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from skiprnn_service.models.repository import ModelRepository
from skiprnn_service.models.watcher import watching
from support.bundles import write_random_bundle


@pytest.mark.parametrize("how", ["poll", "hangup"])
async def test_the_folder_is_read_again_periodically_and_on_sighup(tmp_path: Path, how: str) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    folder = ModelRepository(tmp_path)
    folder.load()
    async with watching(folder, poll_seconds=0.02 if how == "poll" else 0):
        write_random_bundle(tmp_path / "n.onnx")
        await asyncio.sleep(0)
        if how == "hangup":
            os.kill(os.getpid(), signal.SIGHUP)
        while "n" not in folder.models:
            await asyncio.sleep(0.01)
    assert not await folder.reload_if_changed()
