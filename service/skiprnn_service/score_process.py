"""A scoring job in a process of its own, which holds its memory, its interpreter's lock and its place in the queue for
the processor apart from the streams'.

    python -m skiprnn_service.score_process idle|low '{Program in JSON}'
        sequences: standard input; scores: standard output; a failure: the last line of standard error, and status 1

Both ends are here. What the process needs is imported when it has stepped back: imports are its first work.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from skiprnn_service.errors import SkipRnnServiceError
    from skiprnn_service.score_job import Job
    from skiprnn_service.session import StepSession

NICE = 10  # added to the niceness of whoever scores: streams go first where the processor is short

_PIECE = 65_536  # bytes of scores that are handed on at once
_BUFFER = 262_144  # bytes of scores that the process writes at once
_LAST_WORDS = 65_536  # bytes of standard error that are looked at


class ScoreProcess:
    """One job.

    Args:
        job: what is to be done.
        session: of the model; the process opens its own on the same bytes.
        source: a file of the operating system, at its beginning.
        idle: run only while nothing else wants the processor; else with a small share of it.
    """

    def __init__(self, job: "Job", session: "StepSession", source: BinaryIO, *, idle: bool) -> None:
        self._job, self._session, self._source, self._idle = job, session, source, idle
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self, put: Callable[[bytes], None]) -> None:
        """Do the job and hand on the answer in pieces. Blocking. What `put` raises ends the process.

        Raises:
            SkipRnnServiceError: as `score_job.run`.
        """
        with tempfile.TemporaryFile() as model, tempfile.TemporaryFile() as words:
            model.write(self._session.bundle.model)
            model.seek(0)
            with self._started(model, words) as process:
                assert process.stdout is not None
                try:
                    while piece := process.stdout.read1(_PIECE):  # type: ignore[attr-defined]  # it is buffered
                        put(piece)
                except BaseException:
                    process.kill()
                    raise
            if process.returncode and not self._stopped:
                raise _problem_in(words)

    def stop(self) -> None:
        """Nobody wants the answer any more: end now. From any thread."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def _started(self, model: BinaryIO, words: BinaryIO) -> "subprocess.Popen[bytes]":
        session, low = self._session, "idle" if self._idle else "low"
        said = _program(self._job, model.fileno(), session.max_batch, exact=session.batching == "exact")
        process = subprocess.Popen(
            (sys.executable, "-P", "-m", "skiprnn_service.score_process", low, said),
            stdin=self._source,
            stdout=subprocess.PIPE,
            stderr=words,
            pass_fds=(model.fileno(),),
            start_new_session=True,  # Ctrl-C is for the server: it drains
        )
        with self._lock:
            self._process = process
            if self._stopped:
                process.kill()
        return process


def step_back(*, idle: bool = False) -> None:
    """Let streams go first: for this thread, and the processes and threads that it starts (Linux: sched(7))."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        if idle and hasattr(os, "SCHED_IDLE"):  # then a stream interrupts it at once, not milliseconds later
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


# -- what both ends say to each other


def _program(job: "Job", model_file: int, max_batch: int, *, exact: bool) -> str:
    import msgspec

    said = {"job": job, "model_file": model_file, "max_batch": max_batch, "exact": exact}
    return msgspec.json.encode(said).decode()


def problem(error: Exception) -> bytes:
    """An error as a line of JSON."""
    import msgspec

    from skiprnn_service.errors import InferenceError, SkipRnnServiceError

    known = error if isinstance(error, SkipRnnServiceError) else InferenceError(f"scoring: {error!r}")
    return msgspec.json.encode({"class": type(known).__name__, "message": str(known)}) + b"\n"


def _problem_in(words: BinaryIO) -> "SkipRnnServiceError":
    """The error of `problem`; an InferenceError where the last line is none."""
    import msgspec

    from skiprnn_service import errors

    words.seek(max(words.seek(0, os.SEEK_END) - _LAST_WORDS, 0))
    line = (words.read().splitlines() or [b""])[-1]
    try:
        said = msgspec.json.decode(line, type=dict[str, str])
        kind = getattr(errors, said["class"])
        if issubclass(kind, errors.SkipRnnServiceError):
            found: SkipRnnServiceError = kind(said["message"])
            return found
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError):
        pass
    return errors.InferenceError("scoring: the process that scored has died")


# -- the process


def main(said: str) -> int:
    """The job; returns the exit status."""
    try:
        _score(said)
    except BrokenPipeError:
        return 1  # nobody wants the scores any more
    except Exception as error:
        sys.stderr.buffer.write(b"\n" + problem(error))
        return 1
    return 0


def _score(said: str) -> None:
    import msgspec

    from skiprnn_export import parse
    from skiprnn_service.score_job import Job, run
    from skiprnn_service.session import StepSession

    program = msgspec.json.decode(said)
    job = msgspec.convert(program["job"], Job)
    with os.fdopen(program["model_file"], "rb") as model:
        bundle = parse(model.read(), source=job.model)
    session = StepSession(bundle, max_batch=program["max_batch"])
    if not program["exact"]:
        session.self_test()  # pads, as it does in the server
    with os.fdopen(1, "wb", _BUFFER) as sink:
        run(job, session, sys.stdin.buffer, sink, on_chunk=lambda _: sink.flush())


if __name__ == "__main__":
    step_back(idle=sys.argv[1] == "idle")
    sys.exit(main(sys.argv[2]))
