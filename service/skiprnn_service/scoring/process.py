"""Scoring jobs in a process of their own, with its own memory, interpreter lock and priority.

This is the server's end; `worker.py` is the process. They talk over a socket:

    → a line of JSON, and with it the files: sequences, scores, and the model if it is another than before
    ← a line of JSON: {}, or {"class": …, "message": …}
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from typing import IO

import msgspec

from skiprnn_service import errors
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.scoring.job import Job

NICE = 10  # added to the niceness of scoring: streams go first where the processor is short

_LINE = 65_536  # bytes


class ScoreProcess:
    """Does one job at a time, in a process that starts with the first one.

    Args:
        priority: "idle": run only while nothing else wants the processor; "low": with a small share of it; "normal".
    """

    def __init__(self, *, priority: str) -> None:
        self._priority = priority
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._model = ""  # digest of the one that the process has

    async def run(self, job: Job, runner: StepRunner, source: IO[bytes], sink: IO[bytes]) -> None:
        """Score `source` into `sink`. Cancelling it ends the process.

        Args:
            runner: of the model; the process makes its own of the same bytes.
            source, sink: files of the operating system, at their beginning.

        Raises:
            SkipRnnServiceError: as `job.run`.
        """
        try:
            reply = await self._ask(job, runner, source, sink)
            if not reply and not os.fstat(sink.fileno()).st_size:  # it ended between two jobs
                source.seek(0)
                reply = await self._ask(job, runner, source, sink)
        except BaseException:
            self.close()  # its reply must not be taken for that of the next job
            raise
        if reply != b"{}":
            self._model = ""
            raise _error_of(reply)

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            threading.Thread(target=self._process.wait).start()  # it takes time to free its memory
        self._process = self._socket = None

    async def _ask(self, job: Job, runner: StepRunner, source: IO[bytes], sink: IO[bytes]) -> bytes:
        """The line that the process answers a job with; empty: it has died."""
        line = self._connected()
        request = {
            "job": job,
            "max_batch": runner.max_batch,
            "exact": runner.batching == "exact",
            "model": runner.bundle.sha256,
        }
        with tempfile.TemporaryFile() as model, contextlib.suppress(ConnectionError):
            files = [source.fileno(), sink.fileno()]
            if self._model != runner.bundle.sha256:
                await asyncio.to_thread(_fill, model, runner.bundle.model)
                files.append(model.fileno())
            socket.send_fds(line, [msgspec.json.encode(request) + b"\n"], files)
            self._model = runner.bundle.sha256
            reply = await _receive(line)
            if reply:
                return reply
        self.close()
        return b""

    def _connected(self) -> socket.socket:
        """The socket of a process that runs."""
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "skiprnn_service.scoring.worker", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C is for the server: it drains. No session: Linux shares cores out by session
            )
        lower_priority(self._priority, self._process.pid)
        ours.setblocking(False)
        self._socket, self._model = ours, ""
        return ours


def lower_priority(priority: str, thread: int | None = None) -> None:
    """Let streams go first: for a thread, and what it starts (Linux: sched(7)). None: the calling thread."""
    if priority == "normal":
        return
    thread = thread or threading.get_native_id()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), NICE))
        if priority == "idle" and hasattr(
            os, "SCHED_IDLE"
        ):  # streams interrupt it at once, not after a slice
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def _fill(file: IO[bytes], data: bytes) -> None:
    file.write(data)
    file.seek(0)


async def _receive(line: socket.socket) -> bytes:
    """A line without its end; empty when the process is gone."""
    received, loop = b"", asyncio.get_running_loop()
    while not received.endswith(b"\n"):
        data = await loop.sock_recv(line, _LINE)
        if not data:
            return b""
        received += data
    return received.rstrip()


def _error_of(reply: bytes) -> errors.SkipRnnServiceError:
    """The error that the process answered with; an InferenceError where it has died."""
    if not reply:
        return errors.InferenceError("scoring: the process that scored has died")
    fields = msgspec.json.decode(reply, type=dict[str, str])
    error: errors.SkipRnnServiceError = getattr(errors, fields["class"])(fields["message"])
    return error
