"""One run of `skiprnn score`: what is scored by what, and what of it is done."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from skiprnn_export import Bundle
    from skiprnn_service.engine.step_runner import StepRunner
    from skiprnn_service.scoring.formats.base import Example, OutputSpec, Scored
    from skiprnn_service.scoring.job import Totals


class Run:
    """One run.

    Args:
        model: the bundle.
        data, out: sequences, and where their scores go; their names end in the formats.
        updates: write the outputs of all updates.
        threshold: of the gate; None: that of the data, else the bundle's.
        max_bytes: of a sequence, at most.

    Attributes:
        resumed: a run before did some of it.
        seconds, samples: what this run scored.

    Raises:
        OSError, BundleError, ContentTypeError: a file cannot be read, or its format is not known.
    """

    runner: "StepRunner"

    def __init__(
        self, model: Path, data: Path, out: Path, *, updates: bool, threshold: float | None, max_bytes: int
    ) -> None:
        from skiprnn_export import read
        from skiprnn_service.scoring.formats.registry import format_of_file
        from skiprnn_service.scoring.formats.tables import pyarrow

        self.bundle: Bundle = read(model)
        self.data, self.out, self._updates, self._threshold = data, out, updates, threshold
        self._input, self._output, self._max_bytes = format_of_file(data), format_of_file(out), max_bytes
        if {self._input, self._output} & {"arrow", "arrow_file", "parquet", "csv"}:
            pyarrow()  # fails before any work
        self.total_bytes, self.resumed = data.stat().st_size, False
        self.seconds, self.samples = 0.0, 0

    def prepare(self, threads: int, batch: int, *, anew: bool) -> None:
        """Load the model and find the parts of a stopped run; `anew` removes them."""
        from skiprnn_cli.score.parts import Parts
        from skiprnn_service.engine.step_runner import StepRunner

        if not self.out.parent.is_dir():
            raise FileNotFoundError(f"--out: expected a folder at {self.out.parent}, found none")
        self.runner = StepRunner(self.bundle, threads=threads, max_batch=batch)
        self.runner.self_test()  # pads batches where exactness needs it
        self._parts = Parts(self.out, self._plan())
        if anew:
            self._parts.remove()
        self.resumed = self._parts.open()

    def _plan(self) -> dict[str, Any]:
        from skiprnn_service.scoring.job import CHUNK_BYTES, CHUNK_SEQUENCES

        known = self.data.stat()
        return {
            "format": 1,
            "data": [str(self.data.resolve()), known.st_size, known.st_mtime_ns],
            "bundle": self.bundle.sha256,
            "threshold": self._threshold,
            "updates": self._updates,
            "chunk": [CHUNK_BYTES, CHUNK_SEQUENCES],
        }

    @property
    def _output_spec(self) -> "OutputSpec":
        from skiprnn_service.scoring.formats.base import OutputSpec
        from skiprnn_service.scoring.job import output_names

        return OutputSpec(self.bundle.info.name, "1", output_names(self.bundle.info), self._updates)

    def score(self, source: BinaryIO, on_chunk: "Callable[[Totals], None]") -> "Totals":
        """Score what is not done yet, then join the parts. Returns the totals of all."""
        from skiprnn_service.errors import MessageError
        from skiprnn_service.scoring.formats.registry import read
        from skiprnn_service.scoring.job import Totals, chunks, input_spec

        found, totals = read(self._input, source, input_spec(self.bundle.info, self._max_bytes)), Totals()
        threshold = found.threshold if self._threshold is None else self._threshold
        number = -1
        for number, chunk in enumerate(chunks(found.examples)):
            totals = totals.plus(self._part(number, chunk, threshold, first=totals.sequences))
            on_chunk(totals)
        if number < 0:
            raise MessageError(f"{self.data}: expected one sequence at least, got none")
        self._join(number + 1)
        return totals

    def _part(
        self, number: int, chunk: "list[Example]", threshold: float | None, *, first: int
    ) -> "list[Scored]":
        """Of the disk, if a run before scored it."""
        if self._parts.has(number):
            return self._parts.read(number)
        scored = self._scored(chunk, threshold, first=first)
        self._parts.write(number, scored, self._output_spec)
        return scored

    def _scored(self, chunk: "list[Example]", threshold: float | None, *, first: int) -> "list[Scored]":
        from skiprnn_service.scoring.job import score_chunk

        started = time.perf_counter()
        scored = score_chunk(self.runner, chunk, threshold=threshold, first=first)
        self.seconds += time.perf_counter() - started
        self.samples += sum(one.score.samples for one in scored)
        return scored

    def _join(self, parts: int) -> None:
        from skiprnn_cli.score.parts import atomic
        from skiprnn_service.scoring.formats.registry import writer

        with atomic(self.out) as sink:
            whole = writer(self._output, sink, self._output_spec)
            for number in range(parts):
                whole.write(self._parts.read(number))
            whole.close()
        self._parts.remove()
