"""Scoring jobs in a process of their own, which holds its memory, its interpreter's lock and its place in the queue for
the processor apart from the streams'.

    python -m skiprnn_service.scoring.worker PRIORITY FD        jobs come by the socket FD, one after another

    → Program as a line of JSON, and with it the files: sequences, where scores go, and the model's if it is another
    ← a line of JSON: {} or {"class": …, "message": …}

Both ends are here. What the process needs is imported when it has stepped back: imports are its first work.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from skiprnn_service.engine.step_runner import StepRunner
    from skiprnn_service.errors import SkipRnnServiceError
    from skiprnn_service.scoring.job import Job

NICE = 10  # added to the niceness of whoever scores: streams go first where the processor is short
IDLE_SECONDS = 60.0  # without a job: then the process ends, and its memory is free

_PIECE = 65_536  # bytes of scores that are handed on at once
_BUFFER = 262_144  # bytes of scores that the process writes at once
_LONGEST_LINE = 65_536


class ScoreProcess:
    """Does one job at a time, in a process that is started when it is needed.

    Args:
        priority: "idle": run only while nothing else wants the processor; "low": with a small share of it; "normal".
    """

    def __init__(self, *, priority: str) -> None:
        self._priority = priority
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._model = ""  # digest of the one that the process has

    def run(self, job: "Job", runner: "StepRunner", source: BinaryIO, put: Callable[[bytes], None]) -> None:
        """Do a job and hand on the answer in pieces. Blocking. What `put` raises ends the process.

        Args:
            session: of the model; the process opens its own on the same bytes.
            source: a file of the operating system, at its beginning.

        Raises:
            SkipRnnServiceError: as `score_job.run`.
        """
        if not self._done(job, runner, source, put):  # it had just ended, or it was killed
            source.seek(0)
            if not self._done(job, runner, source, put):
                raise _problem_in(b"")

    def _done(self, job: "Job", runner: "StepRunner", source: BinaryIO, put: Callable[[bytes], None]) -> bool:
        """`run` once; False: the process died before it wrote anything."""
        line, pieces = self._ready(), 0
        try:
            with self._given(line, job, runner, source) as scores:
                while piece := scores.read1(_PIECE):  # type: ignore[attr-defined]  # it is buffered
                    put(piece)
                    pieces += 1
            said = _receive(line)[0]
        except BaseException:
            self.close()  # with its line: what it still says must not be taken for the next job's answer
            raise
        if not said and not pieces:
            self.close()
            return False
        if said != b"{}":
            self._model = ""
            raise _problem_in(said)
        return True

    def stop(self) -> None:
        """End now, whatever it does. From any thread."""
        with self._lock:
            process = self._process
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End, when nobody runs a job."""
        self.stop()
        if self._process is not None:
            self._process.wait()
        if self._line is not None:
            self._line.close()
        self._process = self._line = None

    def _ready(self) -> socket.socket:
        """The line to the process: to a new one, where the last has ended."""
        if self._line is not None and self._process is not None and self._process.poll() is None:
            return self._line
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            given = self._priority, str(theirs.fileno())
            process = subprocess.Popen(
                (sys.executable, "-P", "-m", "skiprnn_service.scoring.worker", *given),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C is for the server: it drains. No session: Linux shares cores out by session
            )
        with self._lock:
            self._process = process
        self._line, self._model = ours, ""
        return ours

    def _given(self, line: socket.socket, job: "Job", runner: "StepRunner", source: BinaryIO) -> BinaryIO:
        """Send the job; returns the end of a pipe where its scores will come."""
        import msgspec

        known, digest = self._model == runner.bundle.sha256, runner.bundle.sha256
        said = {
            "job": job,
            "max_batch": runner.max_batch,
            "exact": runner.batching == "exact",
            "model": digest,
        }
        read, write = os.pipe()
        with os.fdopen(write, "wb", 0) as sink, tempfile.TemporaryFile() as model:
            files = [source.fileno(), sink.fileno()]
            if not known:
                model.write(runner.bundle.model)
                model.seek(0)
                files.append(model.fileno())
            with contextlib.suppress(OSError):  # it has died: the pipe ends, and no line comes back
                socket.send_fds(line, [msgspec.json.encode(said) + b"\n"], files)
        self._model = digest
        return os.fdopen(read, "rb")


def step_back(priority: str) -> None:
    """Let streams go first: for this thread, and the processes and threads that it starts (Linux: sched(7))."""
    if priority == "normal":
        return
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, thread, max(os.getpriority(os.PRIO_PROCESS, thread), NICE))
        if priority == "idle" and hasattr(
            os, "SCHED_IDLE"
        ):  # a stream interrupts it at once, not after a slice
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _receive(line: socket.socket) -> tuple[bytes, list[int]]:
    """A line without its end, and the files that came with it; empty when the other end is gone."""
    said, files = b"", list[int]()
    with contextlib.suppress(ConnectionError):
        while not said.endswith(b"\n"):
            data, more, _, _ = socket.recv_fds(line, _LONGEST_LINE, 3)
            files += more
            if not data:
                return b"", files
            said += data
    return said.rstrip(), files


def problem(error: Exception) -> bytes:
    """An error as JSON."""
    import msgspec

    from skiprnn_service.errors import InferenceError, SkipRnnServiceError

    known = error if isinstance(error, SkipRnnServiceError) else InferenceError(f"scoring: {error!r}")
    return msgspec.json.encode({"class": type(known).__name__, "message": str(known)})


def _problem_in(said: bytes) -> "SkipRnnServiceError":
    """The error of `problem`; an InferenceError where it is none."""
    import msgspec

    from skiprnn_service import errors

    try:
        words = msgspec.json.decode(said, type=dict[str, str])
        kind = getattr(errors, words["class"])
        if issubclass(kind, errors.SkipRnnServiceError):
            found: SkipRnnServiceError = kind(words["message"])
            return found
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError):
        pass
    return errors.InferenceError("scoring: the process that scored has died")


# -- the process


def main(line: socket.socket) -> None:
    """Do jobs until none comes for a while, or the server is gone."""
    runners: dict[str, StepRunner] = {}
    line.settimeout(IDLE_SECONDS)
    while True:
        try:
            said, files = _receive(line)
        except TimeoutError:
            return
        if not said:
            return
        answer = _answer(said, files, runners)
        line.sendall(answer + b"\n")


def _answer(said: bytes, files: list[int], runners: "dict[str, StepRunner]") -> bytes:
    try:
        with contextlib.ExitStack() as opened:
            modes = ("rb", "wb", "rb")[: len(files)]
            source, sink, *model = [
                opened.enter_context(os.fdopen(file, mode, _BUFFER))
                for file, mode in zip(files, modes, strict=True)
            ]
            _score(said, source, sink, model, runners)
    except BrokenPipeError:
        return b"{}"  # nobody wants the scores any more
    except Exception as error:
        return problem(error)
    return b"{}"


def _score(said: bytes, source: Any, sink: Any, model: list[Any], runners: "dict[str, StepRunner]") -> None:
    import msgspec

    from skiprnn_export import parse
    from skiprnn_service.engine.step_runner import StepRunner
    from skiprnn_service.scoring.job import Job, run

    program = msgspec.json.decode(said)
    job = msgspec.convert(program["job"], Job)
    if model:
        runners.clear()
        bundle = parse(model[0].read(), source=job.model)
        runner = runners[bundle.sha256] = StepRunner(bundle, max_batch=program["max_batch"])
        if not program["exact"]:
            runner.self_test()  # pads, as it does in the server
    run(job, runners[program["model"]], source, sink, on_chunk=lambda _: sink.flush())


if __name__ == "__main__":
    step_back(sys.argv[1])
    with socket.socket(fileno=int(sys.argv[2])) as line:
        main(line)
