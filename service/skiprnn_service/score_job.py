"""One scoring job: sequences from a file, scores to another, chunk by chunk. Also a program of its own.

    python -m skiprnn_service.score_job '{job in JSON}'      file: standard input; scores: standard output

The server runs large jobs as that program, at low priority: what they hold (memory, the interpreter's lock) is not the
streams'. It ends with 0, or with 1 and the reason as JSON on the last line of standard error.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import msgspec

from skiprnn_export import BundleInfo, parse
from skiprnn_service import errors
from skiprnn_service.errors import InferenceError, MessageError, SkipRnnServiceError
from skiprnn_service.score_formats import Item, Layout, Said
from skiprnn_service.score_readers import read
from skiprnn_service.score_writers import Scored, writer
from skiprnn_service.scoring import score
from skiprnn_service.session import StepSession

CHUNK_BYTES = 64 * 1024 * 1024  # samples that are scored together
CHUNK_SEQUENCES = 2048

_BUFFER = 1 << 18  # bytes of scores that are written at once


class Job(msgspec.Struct, frozen=True):
    """What is to be done.

    Attributes:
        model, version: for the answer.
        kind, answer: of the input and of the output (`score_formats.KINDS`).
        threshold: of the gate; None: that of the input, else the bundle's.
        updates: write all updates.
        max_bytes: a sequence, at most.
    """

    model: str
    version: str
    kind: str
    answer: str
    threshold: float | None
    updates: bool
    max_bytes: int


class Totals(NamedTuple):
    """What was done."""

    sequences: int = 0
    samples: int = 0
    updates: int = 0

    def plus(self, scored: Sequence[Scored]) -> "Totals":
        scores = [one.score for one in scored]
        return Totals(
            self.sequences + len(scores),
            self.samples + sum(one.samples for one in scores),
            self.updates + sum(len(one.t) for one in scores),
        )


def run(
    job: Job,
    session: StepSession,
    source: BinaryIO,
    sink: BinaryIO,
    *,
    on_chunk: Callable[[Totals], None] = lambda _: None,
) -> Totals:
    """Score everything that is in `source`. Blocking.

    Args:
        session: for this call alone.
        on_chunk: called when a chunk was written.

    Raises:
        MessageError, ShapeError, TooLargeError, ContentTypeError: of the input.
        NonFiniteError, ThresholdError, InferenceError: as `score`.
    """
    info = session.bundle.info
    said = Said(job.model, job.version, output_names(info), job.updates)
    found, out, totals = (
        read(job.kind, source, layout(info, job.max_bytes)),
        writer(job.answer, sink, said),
        Totals(),
    )
    threshold = found.threshold if job.threshold is None else job.threshold
    for chunk in chunks(found.items):
        scored = score_chunk(session, chunk, threshold=threshold, first=totals.sequences)
        out.write(scored)
        totals = totals.plus(scored)
        on_chunk(totals)
    if not totals.sequences:
        raise MessageError("expected one sequence at least, got none")
    out.close()
    return totals


def layout(info: BundleInfo, max_bytes: int) -> Layout:
    """What a reader must know of a network."""
    return Layout(tuple(feature.name for feature in info.features), max_bytes)


def output_names(info: BundleInfo) -> tuple[str, ...]:
    """Names of the K outputs: its classes, or y0, y1, …"""
    return tuple(info.classes) or tuple(f"y{k}" for k in range(info.outputs))


def score_chunk(
    session: StepSession, chunk: Sequence[Item], *, threshold: float | None, first: int
) -> list[Scored]:
    """Score sequences together; `first` is the number of the first one, for messages."""
    scores = score(session, [item.x for item in chunk], threshold=threshold, first=first)
    return [Scored(item.id, one) for item, one in zip(chunk, scores, strict=True)]


def chunks(
    items: Iterable[Item], *, max_bytes: int = CHUNK_BYTES, max_sequences: int = CHUNK_SEQUENCES
) -> Iterator[list[Item]]:
    """Sequences that are scored together: enough to fill batches, few enough for the memory."""
    chunk, held = list[Item](), 0
    for item in items:
        chunk.append(item)
        held += item.x.nbytes
        if held >= max_bytes or len(chunk) >= max_sequences:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


# -- the program


class Program(msgspec.Struct):
    """A job for the program: the model's bytes are read from an open file. `exact`: as `StepSession.batching`."""

    job: Job
    model_file: int
    exact: bool
    max_batch: int
    nice: int


def problem(error: Exception) -> bytes:
    """An error as a line of JSON."""
    known = error if isinstance(error, SkipRnnServiceError) else InferenceError(f"scoring: {error!r}")
    return msgspec.json.encode({"class": type(known).__name__, "message": str(known)})


def problem_from(line: bytes) -> SkipRnnServiceError:
    """The error of `problem`; an InferenceError where the line is none."""
    try:
        said = msgspec.json.decode(line, type=dict[str, str])
        kind = getattr(errors, said["class"])
        if issubclass(kind, SkipRnnServiceError):
            return kind(said["message"])  # type: ignore[no-any-return]
    except (msgspec.DecodeError, KeyError, AttributeError, TypeError):
        pass
    return InferenceError("scoring: the process that scored has died")


def main(said: str) -> int:
    """The program; returns its exit status."""
    try:
        program = msgspec.json.decode(said, type=Program)
        os.nice(program.nice)
        with os.fdopen(program.model_file, "rb") as model:
            bundle = parse(model.read(), source=program.job.model)
        session = StepSession(bundle, max_batch=program.max_batch)
        if not program.exact:
            session.self_test()  # pads, as it does in the server
        with os.fdopen(1, "wb", _BUFFER) as sink:
            run(program.job, session, sys.stdin.buffer, sink, on_chunk=lambda _: sink.flush())
    except BrokenPipeError:
        return 1  # nobody wants the scores any more
    except Exception as error:
        sys.stderr.buffer.write(b"\n" + problem(error) + b"\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
