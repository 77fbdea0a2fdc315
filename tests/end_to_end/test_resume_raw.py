"""docs/reference/protocol.md alone is enough: examples/raw_client.py, which shares no code with us, loses nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import read
from skiprnn_export.unroll import unroll
from support.bundles import random_sequence, write_random_bundle
from support.line_process import LineProcess
from support.server_process import ServerProcess

CLIENT = Path(__file__).parents[2] / "examples" / "raw_client.py"


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_a_client_written_from_the_page_loses_nothing_when_the_server_is_killed(
    store: str, tmp_path: Path
) -> None:
    """Without a durable store it keeps all it ever sent, and streams it again."""
    models = tmp_path / "models"
    models.mkdir()
    write_random_bundle(models / "watch.onnx", features=3)
    bundle = read(models / "watch.onnx")
    x = random_sequence(bundle, 400)
    flags = {"store_url": f"sqlite:///{tmp_path / 'streams.db'}" if store == "sqlite" else "memory"}
    lines = ["a,b,c", *(",".join(map(repr, row)) for row in x.tolist())]
    with (
        ServerProcess(models, **flags, snapshot_interval_seconds=0.1) as server,
        LineProcess([sys.executable, CLIENT, server.url()]) as client,
    ):
        client.give(lines[:250], until_printed=50)  # it is in the middle of the recording
        server.kill()
        server.start()
        client.give(lines[250:])
        out, complaints = client.finish()
    assert "connecting again" in complaints
    expected, rows = unroll(bundle, x), np.loadtxt(out, delimiter=",")
    assert rows[:, 0].astype(int).tolist() == expected.t.tolist()
    assert rows[:, 1:].astype(np.float32).tobytes() == expected.y.tobytes()
