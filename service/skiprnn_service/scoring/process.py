"""Scoring jobs in a process of their own, with its own memory, interpreter lock and priority.

This is the server's end; `worker.py` is the process. They talk over a socket:

    → a line of JSON, and with it the files: sequences, scores, and the model if it is another than before
    ← a line when it has taken the job
    ← a line of JSON: {"warnings": [sentence, …]}, or {"class": …, "message": …, "model": digest of the one that it has}

A job that brings the process down costs its own request alone: the next one gets a new process.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from typing import IO, Any, NamedTuple

import msgspec

from skiprnn_service import errors
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.scoring.job import Job, Outcome, Totals

NICE = 10  # added to the niceness of scoring: streams go first where the processor is short

# Allocators that reserve gibibytes ahead would use up the limit of the memory.
_ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
_READ = 65_536  # bytes


class Limits(NamedTuple):
    """What a scoring process may take.

    Attributes:
        memory_bytes: of memory, with its libraries (about 180 MiB). Linux enforces it (RLIMIT_DATA).
        cpu_seconds: of processor time, a job.
    """

    memory_bytes: int
    cpu_seconds: int


class ScoreProcess:
    """Does one job at a time, in a process that starts with the first one.

    Args:
        limits: of the process.
        priority: "idle": run only while nothing else wants the processor; "low": with a small share of it; "normal".
    """

    def __init__(self, *, priority: str, limits: Limits) -> None:
        self._priority, self._limits = priority, limits
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._received = b""  # by the socket, not yet taken
        self._model = ""  # digest of the one that the process has

    async def run(self, job: Job, runner: StepRunner, source: IO[bytes], sink: IO[bytes]) -> Outcome:
        """Score `source` into `sink`, as `job.run` does. Cancelling it ends the process.

        Args:
            runner: of the model; the process makes its own of the same bytes.
            source, sink: files of the operating system, at their beginning.

        Raises:
            SkipRnnServiceError: as `job.run`.
            InferenceError: the process died of the job.
        """
        try:
            reply = await self._ask(job, runner, source, sink)
            if reply is None:  # it ended between two jobs
                self.close()
                reply = await self._ask(job, runner, source, sink) or b""
        except BaseException:
            self.close()  # its reply must not be taken for that of the next job
            raise
        if not reply:
            raise await self._error_of_death()
        said = msgspec.json.decode(reply, type=dict[str, Any])
        if "class" not in said:
            return Outcome(Totals(**said["totals"]), tuple(said["warnings"]))
        self._model = said["model"]
        raise getattr(errors, said["class"])(said["message"])

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            threading.Thread(target=self._process.wait).start()  # it takes time to free its memory
        self._process = self._socket = None
        self._received, self._model = b"", ""

    async def _error_of_death(self) -> errors.SkipRnnServiceError:
        """What a process that died of its job is answered with."""
        process, self._process = self._process, None
        self.close()
        status = 0 if process is None else await asyncio.to_thread(process.wait)
        if status == -signal.SIGXCPU:
            return cpu_error(self._limits.cpu_seconds)
        cause = signal.strsignal(-status) if status < 0 else f"status {status}"
        return errors.InferenceError(
            f"scoring: the process that scored has died ({cause}): the body is damaged, "
            "or needs more memory than the server has"
        )

    async def _ask(self, job: Job, runner: StepRunner, source: IO[bytes], sink: IO[bytes]) -> bytes | None:
        """The line that the process answers a job with; empty: it died of it; None: before it took it."""
        line = self._connected()
        request = {
            "job": job,
            "max_batch": runner.max_batch,
            "exact": runner.batching == "exact",
            "model": runner.bundle.sha256,
            "limits": self._limits,
        }
        taken = b""
        with tempfile.TemporaryFile() as model, contextlib.suppress(ConnectionError):
            files = [source.fileno(), sink.fileno()]
            if self._model != runner.bundle.sha256:
                await asyncio.to_thread(_fill, model, runner.bundle.model)
                files.append(model.fileno())
            socket.send_fds(line, [msgspec.json.encode(request) + b"\n"], files)
            self._model = runner.bundle.sha256
            taken = await self._line(line)
            if reply := await self._line(line):
                return reply
        return b"" if taken else None

    async def _line(self, line: socket.socket) -> bytes:
        """The next line, without its end; empty when the process is gone."""
        while b"\n" not in self._received:
            data = await asyncio.get_running_loop().sock_recv(line, _READ)
            if not data:
                return b""
            self._received += data
        found, _, self._received = self._received.partition(b"\n")
        return found

    def _connected(self) -> socket.socket:
        """The socket of a process that runs."""
        if self._socket is not None and self._process is not None and self._process.poll() is None:
            return self._socket
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-m", "skiprnn_service.scoring.worker", str(theirs.fileno())),
                env=os.environ | _ENVIRONMENT | {"TMPDIR": tempfile.gettempdir()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C is for the server: it drains. No session: Linux shares cores out by session
            )
        lower_priority(self._priority, self._process.pid)
        ours.setblocking(False)
        self._socket = ours
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


def cpu_error(cpu_seconds: float) -> errors.TooLargeError:
    """Of a job that took longer than it may."""
    return errors.TooLargeError(
        f"scoring: expected {cpu_seconds} s of processor time at most (scoring_cpu_seconds), got more: "
        "send fewer sequences"
    )
