"""docs/protocol.md alone is enough: examples/raw_client.py, which shares no code with us, loses nothing."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import read
from skiprnn_export.unroll import unroll
from support.bundles import random_sequence, write_random_bundle
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
    flags = {"store": f"sqlite:///{tmp_path / 'streams.db'}" if store == "sqlite" else "memory"}
    with ServerProcess(models, **flags, snapshot_interval_seconds=0.1) as server:
        client = subprocess.Popen(
            [sys.executable, CLIENT, server.url()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert client.stdin
        assert client.stdout
        lines = [",".join(map(repr, row)) + "\n" for row in x.tolist()]
        client.stdin.write("a,b,c\n" + "".join(lines[:250]))
        client.stdin.flush()
        head = [client.stdout.readline() for _ in range(50)]  # it is in the middle of the recording
        server.kill()
        server.start()
        out, complaints = client.communicate("".join(lines[250:]), timeout=60)
    assert "connecting again" in complaints
    assert client.returncode == 0, complaints
    expected, rows = unroll(bundle, x), np.loadtxt(io.StringIO("".join(head) + out), delimiter=",")
    assert rows[:, 0].astype(int).tolist() == expected.t.tolist()
    assert rows[:, 1:].astype(np.float32).tobytes() == expected.y.tobytes()
