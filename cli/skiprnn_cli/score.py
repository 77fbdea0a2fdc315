"""`skiprnn score`: a file of whole sequences through a bundle, without a server."""

import json as jsonlib
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from skiprnn_cli.console import fail, print_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skiprnn_export import Bundle
    from skiprnn_service.engine.step_runner import StepRunner
    from skiprnn_service.scoring.formats.base import Example, OutputSpec, Scored
    from skiprnn_service.scoring.job import Totals

INTERRUPTED = 130  # what a shell reports for Ctrl-C


def score(
    model: Annotated[Path, typer.Argument(help="The bundle (.onnx).", show_default=False)],
    data: Annotated[
        Path,
        typer.Argument(
            help="Sequences: .parquet .arrow .arrows .csv .npy .npz .ndjson .json", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Where scores go; its ending says how.", show_default=False),
    ],
    updates: Annotated[
        bool, typer.Option("--updates", help="Write the outputs of all updates, not only the final ones.")
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="At which the gate opens, in [0.5, 1]. [default: the bundle's]", show_default=False
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of one update step; two pay from H = 256 on.")] = 1,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Rows of one update step.")] = 256,
    max_sequence_bytes: Annotated[int, typer.Option(help="A sequence, which is held in memory, at most.")] = 1
    << 30,
    anew: Annotated[bool, typer.Option("--anew", help="Do not go on with a run that was stopped.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score whole sequences, each to the bits that a live stream of it would give.

    A run that is stopped goes on where it was when the same command is given again.

    Example: skiprnn score watch.onnx recordings.parquet -o scores.parquet
    """
    try:
        from skiprnn_service.errors import ClientError, SkipRnnServiceError
    except ImportError as error:
        fail(f"{error}; pip install 'skiprnn[score]' brings what scoring needs")
    try:
        run = _Run(model, data, out, updates, threshold, max_sequence_bytes)
        run.prepare(threads, batch, anew=anew)
        with data.open("rb") as source, _progress(source, run, quiet=json) as on_chunk:
            totals = run.score(source, on_chunk)
    except KeyboardInterrupt:
        fail("interrupted; the same command goes on from here", code=INTERRUPTED)
    except (SkipRnnServiceError, OSError, ValueError) as error:
        fail(error, code=2 if isinstance(error, ClientError | OSError | ValueError) else 1)
    _report(run, totals, json=json)


class _Run:
    """One run: what is scored by what, and what of it is done.

    Attributes:
        resumed: a run before did some of it.
        seconds, samples: what this run scored.
    """

    runner: "StepRunner"

    def __init__(
        self, model: Path, data: Path, out: Path, updates: bool, threshold: float | None, max_bytes: int
    ) -> None:
        from skiprnn_export import read
        from skiprnn_service.scoring.formats.registry import format_of_file
        from skiprnn_service.scoring.formats.tables import pyarrow

        self.bundle: Bundle = read(model)
        self.data, self.out, self._updates, self._threshold = data, out, updates, threshold
        self._input, self._output, self._max_bytes = format_of_file(data), format_of_file(out), max_bytes
        if {self._input, self._output} & {"arrow", "arrow_file", "parquet", "csv"}:
            pyarrow()  # or say what is missing before any work
        self.total_bytes, self.resumed = data.stat().st_size, False
        self.seconds, self.samples = 0.0, 0

    def prepare(self, threads: int, batch: int, *, anew: bool) -> None:
        """Open the session and the parts."""
        from skiprnn_cli.score_parts import Parts
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
    def _spec(self) -> "OutputSpec":
        from skiprnn_service.scoring.formats.base import OutputSpec
        from skiprnn_service.scoring.job import output_names

        return OutputSpec(self.bundle.info.name, "1", output_names(self.bundle.info), self._updates)

    def score(self, source: BinaryIO, on_chunk: "Callable[[Totals], None]") -> "Totals":
        """Score what is not done yet, then put the parts together. Returns the totals of all."""
        from skiprnn_service.errors import MessageError
        from skiprnn_service.scoring.formats.registry import read
        from skiprnn_service.scoring.job import Totals, chunks, input_spec

        inputs, totals = read(self._input, source, input_spec(self.bundle.info, self._max_bytes)), Totals()
        threshold = inputs.threshold if self._threshold is None else self._threshold
        number = -1
        for number, chunk in enumerate(chunks(inputs.examples)):
            if self._parts.has(number):
                scored = self._parts.read(number)
            else:
                scored = self._scored(chunk, threshold, first=totals.sequences)
                self._parts.write(number, scored, self._spec)
            totals = totals.plus(scored)
            on_chunk(totals)
        if number < 0:
            raise MessageError(f"{self.data}: expected one sequence at least, got none")
        self._put_together(number + 1)
        return totals

    def _scored(self, chunk: "list[Example]", threshold: float | None, *, first: int) -> "list[Scored]":
        from skiprnn_service.scoring.job import score_chunk

        started = time.perf_counter()
        scored = score_chunk(self.runner, chunk, threshold=threshold, first=first)
        self.seconds += time.perf_counter() - started
        self.samples += sum(one.score.samples for one in scored)
        return scored

    def _put_together(self, parts: int) -> None:
        from skiprnn_cli.score_parts import atomic
        from skiprnn_service.scoring.formats.registry import writer

        with atomic(self.out) as sink:
            whole = writer(self._output, sink, self._spec)
            for number in range(parts):
                whole.write(self._parts.read(number))
            whole.close()
        self._parts.remove()


@contextmanager
def _progress(source: BinaryIO, run: "_Run", *, quiet: bool) -> "Iterator[Callable[[Totals], None]]":
    """A bar on standard error, where somebody looks: share of the file, samples a second, updates used."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        task, started = progress.add_task("score", total=run.total_bytes, said=""), time.perf_counter()

        def on_chunk(totals: "Totals") -> None:
            rate = run.samples / max(time.perf_counter() - started, 1e-9)
            said = f"{totals.sequences:,} sequences, {rate:,.0f} samples/s, {_share(totals)} read"
            progress.update(
                task, completed=source.tell() if not source.closed else run.total_bytes, said=said
            )

        yield on_chunk


def _share(totals: "Totals") -> str:
    return f"{totals.updates / max(totals.samples, 1):.1%}"


def _report(run: _Run, totals: "Totals", *, json: bool) -> None:
    if json:
        said = totals._asdict() | {"seconds": run.seconds, "resumed": run.resumed, "out": str(run.out)}
        typer.echo(jsonlib.dumps(said))
        return
    rate = f"{run.seconds:.2f} s ({run.samples / max(run.seconds, 1e-9):,.0f} samples/s)"
    facts = {
        "sequences": f"{totals.sequences:,}",
        "samples": f"{totals.samples:,}",
        "updates": f"{totals.updates:,} ({_share(totals)} of the samples)",
        "scored in": rate + (", the rest by the run before" if run.resumed else ""),
    }
    print_facts(f"{run.out}: scored by {run.bundle.info.name}", facts)
