"""The process that scores (`process.py`): python -m skiprnn_service.scoring.worker FD

Jobs come by the socket FD, one after another.
"""

import contextlib
import os
import socket
import sys
from typing import Any

import msgspec

from skiprnn_export import parse
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import InferenceError, SkipRnnServiceError
from skiprnn_service.scoring.disk_space import enough_disk_space
from skiprnn_service.scoring.job import Job, run

IDLE_SECONDS = 60.0  # without a job: then the process ends, and its memory is free

_BUFFER = 262_144  # bytes that are read and written at once
_LINE = 65_536


def main(line: socket.socket) -> None:
    """Do jobs until none comes for IDLE_SECONDS, or the server is gone."""
    runners: dict[str, StepRunner] = {}
    line.settimeout(IDLE_SECONDS)
    while True:
        try:
            request, files = _receive(line)
        except TimeoutError:
            return
        if not request:
            return
        line.sendall(_reply(request, files, runners) + b"\n")


def _receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """A line, and the files that came with it; empty when the server is gone."""
    received, files = b"", list[int]()
    with contextlib.suppress(ConnectionError):
        while not received.endswith(b"\n"):
            data, more, _, _ = socket.recv_fds(line, _LINE, 3)
            files += more
            if not data:
                return b"", files
            received += data
    return received, files


def _reply(request: bytes, files: list[int], runners: dict[str, StepRunner]) -> bytes:
    try:
        with enough_disk_space(), contextlib.ExitStack() as opened:
            modes = ("rb", "wb", "rb")[: len(files)]
            source, sink, *model = [
                opened.enter_context(os.fdopen(file, mode, _BUFFER))
                for file, mode in zip(files, modes, strict=True)
            ]
            _score(request, source, sink, model, runners)
    except Exception as error:
        known = error if isinstance(error, SkipRnnServiceError) else InferenceError(f"scoring: {error!r}")
        return msgspec.json.encode({"class": type(known).__name__, "message": str(known)})
    return b"{}"


def _score(request: bytes, source: Any, sink: Any, model: list[Any], runners: dict[str, StepRunner]) -> None:
    program = msgspec.json.decode(request)
    job = msgspec.convert(program["job"], Job)
    if model:
        runners.clear()
        bundle = parse(model[0].read(), source=job.model)
        runner = runners[bundle.sha256] = StepRunner(bundle, max_batch=program["max_batch"])
        if not program["exact"]:
            runner.self_test()  # pads, as it does in the server
    run(job, runners[program["model"]], source, sink)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as line:
        main(line)
