"""The process that scores, from inside."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from skiprnn_service.scoring import worker
from skiprnn_service.scoring.job import Job
from support.bundles import write_random_bundle


def test_without_a_job_for_a_while_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker.main(theirs)  # returns


def test_a_server_that_closes_its_end_during_a_job_ends_it_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does when the client of the job leaves."""
    ours, theirs = socket.socketpair()

    def leave(*_: object) -> tuple[bytes, bool]:
        ours.close()
        return b"{}", False

    monkeypatch.setattr(worker, "_reply", leave)
    with theirs:
        ours.sendall(b"{}\n")
        worker.main(theirs)  # returns


def test_a_full_disk_is_named_as_the_server_has_it(tmp_path: Path) -> None:
    """Looked for again, it would be another: no file can be made in /proc either."""
    bundle = write_random_bundle(tmp_path / "m.onnx")
    job = Job("m", "1", "ndjson", "ndjson", None, updates=False, max_bytes=10**6, max_output_bytes=10**6)
    facts = {"job": job, "max_batch": 4, "exact": True, "model": bundle.sha256, "limits": (1 << 30, 60)}
    (tmp_path / "in").write_bytes(b'{"x": [[0, 0, 0]]}\n')
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "skiprnn_service.scoring.worker", str(theirs.fileno())]
    with ours, ExitStack() as opened:
        files = (tmp_path / "in", "rb"), (Path("/dev/full"), "wb"), (tmp_path / "m.onnx", "rb")
        numbers = [opened.enter_context(path.open(mode)).fileno() for path, mode in files]
        with theirs:
            process = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], env=os.environ | {"TMPDIR": "/proc"}
            )
        socket.send_fds(ours, [msgspec.json.encode(facts) + b"\n"], numbers)
        lines = opened.enter_context(ours.makefile("rb"))
        taken, reply = lines.readline(), lines.readline()
        assert (taken, json.loads(reply)["class"]) == (b"taken\n", "DiskFullError")
        assert json.loads(reply)["message"].startswith("/proc: expected space")
    assert process.wait(30) == 0  # the server is gone
