"""The process that scores (`process.py`): python -m skiprnn_service.scoring.worker FD

Jobs come by the socket FD, one after another. A job may need more memory than the process may have, take too long, or
crash a library: the process then ends, and the server starts another.
"""

import contextlib
import math
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from skiprnn_export import parse
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import InferenceError, SkipRnnServiceError, TooLargeError
from skiprnn_service.scoring.disk_space import enough_disk_space
from skiprnn_service.scoring.job import Job, Outcome, Totals, run
from skiprnn_service.scoring.process import Limits

IDLE_SECONDS = 60.0  # without a job: then the process ends, and its memory is free

_BUFFER = 262_144  # bytes that are read and written at once
_LINE = 65_536
_TOO_LITTLE_MEMORY = (
    "scoring: the request needs more memory than scoring_memory_bytes: send fewer or shorter sequences"
)


def main(line: socket.socket) -> None:
    """Do jobs until none comes for IDLE_SECONDS, the memory is short, or the server or its client is gone."""
    runners: dict[str, StepRunner] = {}
    line.settimeout(IDLE_SECONDS)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while True:
            request, files = _receive(line)
            if not request:
                return
            line.sendall(b"taken\n")
            reply, short = _reply(request, files, runners)
            line.sendall(reply + b"\n")
            if short and _holds_much():
                return


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


def _reply(request: bytes, files: list[int], runners: dict[str, StepRunner]) -> tuple[bytes, bool]:
    """What a job is answered with, and whether the memory was too short for it."""
    short, outcome = False, Outcome(Totals(), ())
    try:
        with enough_disk_space(), contextlib.ExitStack() as opened:
            modes = ("rb", "wb", "rb")[: len(files)]
            source, sink, *model = [
                opened.enter_context(os.fdopen(file, mode, _BUFFER))
                for file, mode in zip(files, modes, strict=True)
            ]
            outcome = _score(request, source, sink, model, runners)
            error: SkipRnnServiceError | None = None
    except MemoryError:
        short, error = True, TooLargeError(_TOO_LITTLE_MEMORY)
    except Exception as raised:
        error = raised if isinstance(raised, SkipRnnServiceError) else InferenceError(f"scoring: {raised!r}")
    if error is None:
        return msgspec.json.encode({"totals": outcome.totals._asdict(), "warnings": outcome.warnings}), False
    said = {"class": type(error).__name__, "message": str(error), "model": next(iter(runners), "")}
    return msgspec.json.encode(said), short


def _score(
    request: bytes, source: Any, sink: Any, model: list[Any], runners: dict[str, StepRunner]
) -> Outcome:
    program = msgspec.json.decode(request)
    job = msgspec.convert(program["job"], Job)
    _limit(msgspec.convert(program["limits"], Limits))
    if model:
        runners.clear()
        bundle = parse(model[0].read(), source=job.model)
        runner = runners[bundle.sha256] = StepRunner(bundle, max_batch=program["max_batch"])
        if not program["exact"]:
            runner.self_test()  # pads, as it does in the server
    return run(job, runners[program["model"]], source, sink)


def _limit(limits: Limits) -> None:
    """Memory that is not there cannot be filled; a loop that does not end in time is ended (SIGXCPU)."""
    used = time.process_time()
    wanted = {
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_CPU: math.ceil(used) + limits.cpu_seconds,
        resource.RLIMIT_CORE: 0,  # of a process that dies of a foreign body
    }
    for what, limit in wanted.items():
        _, most = resource.getrlimit(what)
        resource.setrlimit(what, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _holds_much() -> bool:
    """Whether less than half of the memory is free again. Linux alone tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:
        return True
    return 2 * pages * resource.getpagesize() > resource.getrlimit(resource.RLIMIT_DATA)[0]


def _end_first() -> None:
    """When the memory of the machine is short, the kernel ends this process, not the server."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    _end_first()
    tempfile.tempdir = os.environ["TMPDIR"]  # the server's; looked for again, it is another where it is full
    with socket.socket(fileno=int(sys.argv[1])) as line:
        main(line)
