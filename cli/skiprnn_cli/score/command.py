"""The options of `skiprnn score`, its progress bar and its summary."""

import json as jsonlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from skiprnn_cli.console import INTERRUPTED, fail, print_facts
from skiprnn_cli.score.run import Run

if TYPE_CHECKING:
    from skiprnn_service.scoring.job import Totals

_Model = Annotated[Path, typer.Argument(help="The bundle (.onnx).", show_default=False)]
_Data = Annotated[
    Path,
    typer.Argument(
        help="Sequences: .parquet .arrow .arrows .csv .npy .npz .ndjson .json", show_default=False
    ),
]
_Out = Annotated[
    Path,
    typer.Option("--out", "-o", help="File for the scores; its ending is the format.", show_default=False),
]
_Updates = Annotated[
    bool, typer.Option("--updates", help="Write the outputs of all updates, not only the final ones.")
]
_Threshold = Annotated[
    float | None,
    typer.Option(help="Of the gate, in [0.5, 1].  [default: the bundle's]", show_default=False),
]
_Threads = Annotated[int, typer.Option(min=1, help="Threads of one update step; two pay from H = 256 on.")]
_Batch = Annotated[int, typer.Option(min=1, max=4096, help="Rows of one update step.")]
_MaxBytes = Annotated[int, typer.Option(help="Most bytes of a sequence, which is held in memory.")]
_Anew = Annotated[bool, typer.Option("--anew", help="Do not resume a run that was stopped.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def score(
    model: _Model,
    data: _Data,
    out: _Out,
    updates: _Updates = False,
    threshold: _Threshold = None,
    threads: _Threads = 1,
    batch: _Batch = 256,
    max_sequence_bytes: _MaxBytes = 1 << 30,
    anew: _Anew = False,
    json: _Json = False,
) -> None:
    """Score whole sequences, with the same bits as live streams of them.

    A run that is stopped resumes where it was when the same command is given again.

    Example: skiprnn score watch.onnx recordings.parquet -o scores.parquet
    """
    from skiprnn_service.errors import ClientError, SkipRnnServiceError

    try:
        run = Run(model, data, out, updates=updates, threshold=threshold, max_bytes=max_sequence_bytes)
        run.prepare(threads, batch, anew=anew)
        totals = _scored(run, quiet=json)
    except KeyboardInterrupt:
        fail("interrupted; the same command resumes from here", code=INTERRUPTED)
    except MemoryError as error:
        fail(f"{data}: a sequence needs more memory than there is: {error}", code=2)
    except (SkipRnnServiceError, OSError, ValueError) as error:
        fail(error, code=2 if isinstance(error, ClientError | OSError | ValueError) else 1)
    _report(run, totals, json=json)


def _scored(run: Run, *, quiet: bool) -> "Totals":
    with run.data.open("rb") as source, _progress(source, run, quiet=quiet) as on_chunk:
        return run.score(source, on_chunk)


@contextmanager
def _progress(source: BinaryIO, run: Run, *, quiet: bool) -> "Iterator[Callable[[Totals], None]]":
    """A bar on standard error, if that is a terminal: share of the file, samples a second, update rate."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.fields[counts]}"))
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        task, started = progress.add_task("score", total=run.total_bytes, counts=""), time.perf_counter()

        def on_chunk(totals: "Totals") -> None:
            done = source.tell() if not source.closed else run.total_bytes
            progress.update(task, completed=done, counts=_counts(run, totals, time.perf_counter() - started))

        yield on_chunk


def _counts(run: Run, totals: "Totals", seconds: float) -> str:
    rate = run.samples / max(seconds, 1e-9)
    return f"{totals.sequences:,} sequences, {rate:,.0f} samples/s, update rate {_update_rate(totals)}"


def _update_rate(totals: "Totals") -> str:
    return f"{totals.updates / max(totals.samples, 1):.1%}"


def _report(run: Run, totals: "Totals", *, json: bool) -> None:
    if json:
        results = totals._asdict() | {"seconds": run.seconds, "resumed": run.resumed, "out": str(run.out)}
        typer.echo(jsonlib.dumps(results))
        return
    rate = f"{run.seconds:.2f} s ({run.samples / max(run.seconds, 1e-9):,.0f} samples/s)"
    facts = {
        "sequences": f"{totals.sequences:,}",
        "samples": f"{totals.samples:,}",
        "updates": f"{totals.updates:,} ({_update_rate(totals)} of the samples)",
        "scored in": rate + (", the rest by the run before" if run.resumed else ""),
    }
    print_facts(f"{run.out}: scored by {run.bundle.info.name}", facts)
