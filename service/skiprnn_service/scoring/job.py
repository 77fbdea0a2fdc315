"""One scoring job: sequences from a file, scores to another, chunk by chunk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

import msgspec

from skiprnn_export import BundleInfo
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import MessageError
from skiprnn_service.scoring.formats import Item, Layout, Said
from skiprnn_service.scoring.readers import read
from skiprnn_service.scoring.score import score
from skiprnn_service.scoring.writers import Scored, writer

CHUNK_BYTES = 64 * 1024 * 1024  # samples that are scored together
CHUNK_SEQUENCES = 2048


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
    runner: StepRunner,
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
    info = runner.bundle.info
    said = Said(job.model, job.version, output_names(info), job.updates)
    found, out, totals = (
        read(job.kind, source, layout(info, job.max_bytes)),
        writer(job.answer, sink, said),
        Totals(),
    )
    threshold = found.threshold if job.threshold is None else job.threshold
    for chunk in chunks(found.items):
        scored = score_chunk(runner, chunk, threshold=threshold, first=totals.sequences)
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
    runner: StepRunner, chunk: Sequence[Item], *, threshold: float | None, first: int
) -> list[Scored]:
    """Score sequences together; `first` is the number of the first one, for messages."""
    scores = score(runner, [item.x for item in chunk], threshold=threshold, first=first)
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
