"""One run of `skiprnn score`: what is scored by what, and what of it is done."""

import contextlib
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from skiprnn_export import Bundle
    from skiprnn_service.engine.step_runner import StepRunner
    from skiprnn_service.scoring.formats.base import Example, Input, InputSpec, OutputSpec, Per, Score
    from skiprnn_service.scoring.job import Totals


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How a run scores.

    Attributes:
        updates: write the outputs of all updates into the row of a sequence.
        per: what a row of the output stands for.
        threshold: of the gate; None: that of the data, else the bundle's.
        max_bytes: of samples that are held at a time.
        sequence, time, carry: columns of the data (`InputSpec`).
    """

    updates: bool = False
    per: "Per" = "sequence"
    threshold: float | None = None
    max_bytes: int = 1 << 30
    sequence: str | None = None
    time: str | None = None
    carry: tuple[str, ...] = ()

    def input_spec(self, bundle: "Bundle") -> "InputSpec":
        """What a reader must know."""
        from skiprnn_service.scoring.formats.base import InputSpec

        info, columns = bundle.info, (self.sequence, self.time, self.carry)
        return InputSpec(info.features, self.max_bytes, *columns, info.sample_rate)

    def output_spec(self, bundle: "Bundle", found: "Input") -> "OutputSpec":
        """What a writer must know."""
        from skiprnn_service.scoring.job import output_spec

        return output_spec(bundle.info, self.updates, self.per, found)


class Run:
    """One run over one file.

    Args:
        model: the bundle.
        data, out: sequences, and where their scores go; their names end in the formats.

    Attributes:
        resumed: a run before did some of it.
        seconds, samples: what this run scored.
        warnings: of the reader of the data, once it is scored.

    Raises:
        OSError, BundleError, ContentTypeError: a file cannot be read, or its format is not known.
    """

    runner: "StepRunner"

    def __init__(self, model: Path, data: Path, out: Path, options: Options) -> None:
        from skiprnn_export import read
        from skiprnn_service.scoring.formats.registry import format_of_file, needs_pyarrow
        from skiprnn_service.scoring.formats.tables import pyarrow

        self.bundle: Bundle = read(model)
        self.data, self.out, self._options = data, out, options
        self._input, self._output = format_of_file(data), format_of_file(out)
        if needs_pyarrow(self._input, self._output):
            pyarrow()  # fails before any work
        self.total_bytes, self.resumed = data.stat().st_size, False
        self.seconds, self.samples, self.warnings = 0.0, 0, tuple[str, ...]()

    def prepare(self, threads: int, batch: int, *, anew: bool) -> None:
        """Load the model and find the parts of a stopped run; `anew` removes them."""
        from skiprnn_cli.score.parts import Parts

        if not self.out.parent.is_dir():
            raise FileNotFoundError(f"--out: expected a folder at {self.out.parent}, found none")
        self.runner = prepared_runner(self.bundle, threads, batch)
        self._parts = Parts(self.out, self._plan())
        self.resumed = self._parts.open(anew=anew)

    def _plan(self) -> dict[str, Any]:
        """What the parts depend on; rows and columns of the output are made of them at the end."""
        from skiprnn_service.scoring.job import CHUNK_BYTES, CHUNK_SEQUENCES

        known, options = self.data.stat(), self._options
        return {
            "format": 2,
            "data": [str(self.data.resolve()), known.st_size, known.st_mtime_ns],
            "bundle": self.bundle.sha256,
            "threshold": options.threshold,
            "columns": [options.sequence, options.time],
            "chunk": [CHUNK_BYTES, CHUNK_SEQUENCES],
        }

    def score(self, source: BinaryIO, on_chunk: "Callable[[Totals], None]") -> "Totals":
        """Score what is not done yet, and write the scores of all. Returns their totals."""
        with contextlib.closing(self._parts):
            totals = self._score(source, on_chunk)
            self._parts.remove()
        return totals

    def _score(self, source: BinaryIO, on_chunk: "Callable[[Totals], None]") -> "Totals":
        from skiprnn_cli.score import files
        from skiprnn_service.errors import MessageError
        from skiprnn_service.scoring.formats.registry import read, writer
        from skiprnn_service.scoring.job import Totals, chunks, scored_as

        found, totals = read(self._input, source, self._options.input_spec(self.bundle)), Totals()
        self.warnings = found.warnings
        threshold = found.threshold if self._options.threshold is None else self._options.threshold
        with files.scores(self.out) as sink:
            out = writer(self._output, sink, self._options.output_spec(self.bundle, found))
            for number, chunk in enumerate(chunks(found.examples)):
                scores = self._part(number, chunk, threshold, first=totals.sequences)
                scored = [scored_as(example, one) for example, one in zip(chunk, scores, strict=True)]
                out.write(scored)
                totals = totals.plus(scored)
                on_chunk(totals)
            if not totals.sequences:
                raise MessageError(f"{self.data}: expected one sequence at least, got none")
            out.close()
        return totals

    def _part(
        self, number: int, chunk: "list[Example]", threshold: float | None, *, first: int
    ) -> "list[Score]":
        """From the disk, if a run before scored it."""
        if self._parts.has(number):
            return self._parts.read(number)
        scores = self._scores(chunk, threshold, first=first)
        self._parts.write(number, scores)
        return scores

    def _scores(self, chunk: "list[Example]", threshold: float | None, *, first: int) -> "list[Score]":
        from skiprnn_service.scoring.job import score_chunk

        started = time.perf_counter()
        scored = score_chunk(self.runner, chunk, threshold=threshold, first=first)
        self.seconds += time.perf_counter() - started
        self.samples += sum(one.score.samples for one in scored)
        return [one.score for one in scored]


def prepared_runner(bundle: "Bundle", threads: int, batch: int) -> "StepRunner":
    """A runner that pads batches where exactness needs it."""
    from skiprnn_service.engine.step_runner import StepRunner

    runner = StepRunner(bundle, threads=threads, max_batch=batch)
    runner.self_test()
    return runner
