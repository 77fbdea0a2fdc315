"""One scoring job: sequences from a file, scores to another, chunk by chunk."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, BinaryIO, NamedTuple

import msgspec

from skiprnn_export import BundleInfo
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import MessageError
from skiprnn_service.scoring.formats.base import Example, Input, InputSpec, OutputSpec, Per, Score, Scored
from skiprnn_service.scoring.formats.registry import read, writer
from skiprnn_service.scoring.score import score

CHUNK_BYTES = 64 * 1024 * 1024  # samples that are scored together
CHUNK_SEQUENCES = 2048


class Job(msgspec.Struct, frozen=True):
    """What to score, and how.

    Attributes:
        model, version: written into the output.
        input_format, output_format: names in `registry.FORMATS`.
        threshold: of the gate; None: that of the input, else the bundle's.
        updates: whether to write all updates.
        max_bytes: limit of one sequence.
        max_output_bytes: limit of the output.
        spool_bytes: of the output, that are free on the disk now; None: no limit.
        every_sample: update at every sample, whatever the gate says.
        per: what a row of the output stands for.
        sequence, time, carry: columns of the input, as `InputSpec`.
    """

    model: str
    version: str
    input_format: str
    output_format: str
    threshold: float | None
    updates: bool
    max_bytes: int
    max_output_bytes: int
    spool_bytes: int | None = None
    every_sample: bool = False
    per: Per = "sequence"
    sequence: str | None = None
    time: str | None = None
    carry: tuple[str, ...] = ()


class Totals(NamedTuple):
    """Counts of what was scored."""

    sequences: int = 0
    samples: int = 0
    updates: int = 0

    @classmethod
    def of(cls, scores: Sequence[Score]) -> "Totals":
        return cls(len(scores), sum(one.samples for one in scores), sum(len(one.t) for one in scores))

    def plus(self, scored: Sequence[Scored]) -> "Totals":
        more = Totals.of([one.score for one in scored])
        return Totals(*map(sum, zip(self, more, strict=True)))


class Outcome(NamedTuple):
    """What was scored, and what to warn of."""

    totals: Totals
    warnings: tuple[str, ...]


def run(
    job: Job,
    runner: StepRunner,
    source: BinaryIO,
    sink: IO[bytes],
    *,
    on_chunk: Callable[[Totals], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
) -> "Outcome":
    """Score all sequences in `source`. Blocking.

    Args:
        runner: not used by another thread meanwhile.
        sink: takes the output; incomplete if this raises.
        on_chunk: called after each chunk is written.
        check: called before each update step; ends the job by what it raises.

    Raises:
        MessageError, ShapeError, TooLargeError, ContentTypeError: of the input, or the output is too large.
        NonFiniteError, ThresholdError, InferenceError: as `score`.
    """
    info, totals = runner.bundle.info, Totals()
    spec = InputSpec(info.features, job.max_bytes, job.sequence, job.time, job.carry, info.sample_rate)
    inputs = read(job.input_format, source, spec)
    out = writer(job.output_format, sink, _output_spec(job, info, inputs))
    threshold = inputs.threshold if job.threshold is None else job.threshold
    for chunk in chunks(inputs.examples):
        scored = score_chunk(
            runner,
            chunk,
            threshold=threshold,
            every_sample=job.every_sample,
            first=totals.sequences,
            check=check,
        )
        out.write(scored)
        totals = totals.plus(scored)
        on_chunk(totals)
    if not totals.sequences:
        raise MessageError("expected one sequence at least, got none")
    out.close()
    return Outcome(totals, inputs.warnings)


def _output_spec(job: Job, info: BundleInfo, inputs: Input) -> OutputSpec:
    return output_spec(info, job.updates, job.per, inputs)._replace(
        model=job.model, version=job.version, max_bytes=job.max_output_bytes, spool_bytes=job.spool_bytes
    )


def output_spec(info: BundleInfo, updates: bool, per: Per, inputs: Input) -> OutputSpec:
    """What a writer must know of a network and of what it scores: the one place that says what an output is."""
    return OutputSpec(
        info.name,
        "1",
        info.output_names,
        updates and per == "sequence",
        classes=bool(info.classes),
        multi_label=info.multi_label,
        per=per,
        carried=inputs.carried,
        types=inputs.types,
        events=info.events,
    )


def score_chunk(
    runner: StepRunner,
    chunk: Sequence[Example],
    *,
    threshold: float | None,
    first: int,
    every_sample: bool = False,
    check: Callable[[], None] = lambda: None,
) -> list[Scored]:
    """Score sequences together; `first` is the number of the first one, for error messages."""
    sequences = [example.x for example in chunk]
    scores = score(
        runner, sequences, threshold=threshold, every_sample=every_sample, first=first, check=check
    )
    return [scored_as(example, one) for example, one in zip(chunk, scores, strict=True)]


def scored_as(example: Example, score: Score) -> Scored:
    """A score with what comes back beside it."""
    id = "" if example.id is None else example.id  # `read` leaves none without
    return Scored(id, score, example.row, example.carried)


def chunks(
    examples: Iterable[Example], *, max_bytes: int = CHUNK_BYTES, max_sequences: int = CHUNK_SEQUENCES
) -> Iterator[list[Example]]:
    """Sequences that are scored together: enough to fill batches, few enough for the memory."""
    chunk, held = list[Example](), 0
    for example in examples:
        chunk.append(example)
        held += example.x.nbytes
        if held >= max_bytes or len(chunk) >= max_sequences:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk
