"""The options of `skiprnn score`, its progress bar and its summary."""

import json as jsonlib
import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from skiprnn_cli.console import INTERRUPTED, fail, print_facts, warn
from skiprnn_cli.score import files
from skiprnn_cli.score.run import Options, Run
from skiprnn_cli.timing import not_as_trained
from skiprnn_export.escaping import escaped

if TYPE_CHECKING:
    from skiprnn_cli.score.folder import FolderRun
    from skiprnn_service.scoring.formats.base import Per
    from skiprnn_service.scoring.job import Totals

_Model = Annotated[Path, typer.Argument(help="The bundle (.onnx).", show_default=False)]
_Data = Annotated[
    Path,
    typer.Argument(
        help="Sequences: .parquet .arrow .arrows .csv .tsv .txt .npy .npz .ndjson .json, .gz; or a folder of them",
        show_default=False,
    ),
]
_Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        help="File for the scores; its ending is the format. Of a folder: also a folder, which gets the same tree.",
        show_default=False,
    ),
]
_PerOption = Annotated[
    str,
    typer.Option(
        "--per",
        metavar="sequence|update|sample",
        help="What a row of the output stands for: its last, each, or all.",
    ),
]
_Sequence = Annotated[
    str | None,
    typer.Option(
        "--sequence",
        metavar="COLUMN",
        help="Rows with the same value are one sequence, wherever they stand.  [default: sequence, if there is one]",
        show_default=False,
    ),
]
_Time = Annotated[
    str | None,
    typer.Option(
        "--time", metavar="COLUMN", help="Sorts the rows of a sequence, and comes back.", show_default=False
    ),
]
_Carry = Annotated[
    list[str] | None,
    typer.Option(
        "--carry", metavar="COLUMN,…", help="Columns that come back beside the scores.", show_default=False
    ),
]
_Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="SUFFIX",
        help="Ending of the files in a folder of scores, such as csv.  [default: that of each file]",
        show_default=False,
    ),
]
_Updates = Annotated[
    bool,
    typer.Option(
        "--updates", help="Write the outputs of all updates into the row of a sequence. Not in CSV."
    ),
]
_Threshold = Annotated[
    float | None,
    typer.Option(help="Of the gate, in [0.5, 1].  [default: the bundle's]", show_default=False),
]
_Threads = Annotated[int, typer.Option(min=1, help="Threads of one update step; two pay from H = 256 on.")]
_Batch = Annotated[int, typer.Option(min=1, max=4096, help="Rows of one update step.")]
_MaxBytes = Annotated[
    int,
    typer.Option(help="Most bytes of samples that are held: of a sequence, or of sequences with mixed rows."),
]
_Anew = Annotated[bool, typer.Option("--anew", help="Do not resume a run that was stopped.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
_PER = ("sequence", "update", "sample")
_SHOWN = 3  # files whose warnings are shown


def score(
    model: _Model,
    data: _Data,
    out: _Out,
    per: _PerOption = "sequence",
    sequence: _Sequence = None,
    time: _Time = None,
    carry: _Carry = None,
    updates: _Updates = False,
    threshold: _Threshold = None,
    format: _Format = None,
    threads: _Threads = 1,
    batch: _Batch = 256,
    max_sequence_bytes: _MaxBytes = 1 << 30,
    anew: _Anew = False,
    json: _Json = False,
) -> None:
    """Score whole sequences, with the same bits as live streams of them.

    A run over one file that is stopped resumes where it was when the same command is given again.

    Of a folder, a file that cannot be scored is named, the others are scored, and the exit code is 1.

    Example: skiprnn score watch.onnx recordings.parquet -o scores.parquet --sequence subject --time seconds
    """
    from skiprnn_service.errors import ClientError, SkipRnnServiceError

    _check(model, data, out, per, updates=updates, format=format)
    options = Options(
        updates=updates,
        per=cast("Per", per),
        threshold=threshold,
        max_bytes=max_sequence_bytes,
        sequence=sequence,
        time=time,
        carry=tuple(name.strip() for some in carry or () for name in some.split(",") if name.strip()),
    )
    try:
        if data.is_dir():
            _score_folder(_folder_run(model, data, out, options, format), threads, batch, json=json)
        else:
            _score_file(Run(model, data, out, options), threads, batch, anew=anew, json=json)
    except KeyboardInterrupt:
        again = "starts again" if data.is_dir() else "resumes from here"
        fail(f"interrupted; the same command {again}", code=INTERRUPTED)
    except MemoryError as error:
        fail(f"{data}: a sequence needs more memory than there is: {error}", code=2)
    except (SkipRnnServiceError, OSError, ValueError) as error:
        fail(error, code=2 if isinstance(error, ClientError | OSError | ValueError) else 1)


def _folder_run(model: Path, data: Path, out: Path, options: Options, suffix: str | None) -> "FolderRun":
    """Imported late: it takes the service with it."""
    from skiprnn_cli.score.folder import FolderRun

    return FolderRun(model, data, out, options, suffix=suffix)


def _check(model: Path, data: Path, out: Path, per: str, *, updates: bool, format: str | None) -> None:
    """End the command where options contradict each other."""
    if not model.is_file():
        meant = (
            "" if model.suffix else f"; give its file, such as models/{model.name}.onnx, not a model's name"
        )
        fail(f"{model}: expected a bundle (.onnx), found no such file{meant}")
    if not data.exists():
        fail(f"{data}: expected a file or a folder of sequences, found none of that name")
    if per not in _PER:
        fail(f"--per: expected one of {', '.join(_PER)}, got {per!r}")
    if updates and per != "sequence":
        fail(f"--updates writes all updates into the row of a sequence: leave it out with --per {per}")
    if format is not None and not (data.is_dir() and (out.is_dir() or not out.suffix)):
        fail("--format is for a folder of scores: the name of --out says the format of a file")
    if updates and {".csv", ".tsv"} & {*map(str.lower, out.suffixes)}:
        warn("--updates: CSV holds no lists and leaves the updates out; --per update writes a row for each")


def _score_file(run: Run, threads: int, batch: int, *, anew: bool, json: bool) -> None:
    run.prepare(threads, batch, anew=anew)
    with files.sequences(run.data) as (source, file), _progress(run, file, quiet=json) as on_chunk:
        totals = run.score(source, on_chunk)
    for text in run.warnings:
        warn(text)
    if said := not_as_trained(run.data, run.bundle.info.sample_rate, rates=False):
        warn(said)
    _report(run, totals, {}, json=json)


def _score_folder(run: "FolderRun", threads: int, batch: int, *, json: bool) -> None:
    """Exit code 1 where a file could not be scored."""
    if run.left_out:
        names = ", ".join(escaped(run.name(path)) for path in run.left_out[:_SHOWN]) + (
            ", …" if len(run.left_out) > _SHOWN else ""
        )
        warn(f"left out, of no known format or without columns: {names}")
    with _progress(run, None, quiet=json) as on_file:
        totals = run.score(threads, batch, on_file)
    for name, texts in list(run.warnings.items())[:_SHOWN]:
        warn(f"{escaped(name)}: {texts[0]}")
    if len(run.warnings) > _SHOWN:
        warn(f"{len(run.warnings) - _SHOWN} more files have warnings")
    for text in list(run.not_as_trained.values())[:1]:
        more = len(run.not_as_trained) - 1
        warn(text + f"; {more} more file{'s' * (more > 1)} differ{'s' * (more == 1)} too" * (more > 0))
    for name, reason in run.failed.items():
        typer.echo(escaped(f"error: {name}: {reason}"), err=True)
    scored = len(run.files) - len(run.failed)
    _report(run, totals, {"files": f"{scored:,} of {len(run.files):,}"}, json=json)
    if run.failed:
        fail(f"{len(run.failed)} of {len(run.files)} files could not be scored", code=1)


@contextmanager
def _progress(
    run: "Run | FolderRun", file: BinaryIO | None, *, quiet: bool
) -> "Iterator[Callable[[Totals], None]]":
    """A bar on standard error, if that is a terminal: the share that is done, samples a second, update rate."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.fields[counts]}"))
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        total = run.total_bytes if isinstance(run, Run) else len(run.files)
        task, started = progress.add_task("score", total=total, counts=""), clock.perf_counter()

        def on_chunk(totals: "Totals") -> None:
            counts = _counts(run, totals, clock.perf_counter() - started)
            if file is None:
                progress.update(task, advance=1, counts=counts)
            else:
                progress.update(task, completed=total if file.closed else file.tell(), counts=counts)

        yield on_chunk


def _counts(run: "Run | FolderRun", totals: "Totals", seconds: float) -> str:
    rate = run.samples / max(seconds, 1e-9)
    return f"{totals.sequences:,} sequences, {rate:,.0f} samples/s, update rate {_update_rate(totals)}"


def _update_rate(totals: "Totals") -> str:
    return f"{totals.updates / max(totals.samples, 1):.1%}"


def _report(run: "Run | FolderRun", totals: "Totals", more: dict[str, str], *, json: bool) -> None:
    if json:
        results = totals._asdict() | {"seconds": run.seconds, "resumed": run.resumed, "out": str(run.out)}
        if not isinstance(run, Run):
            results |= {"files": len(run.files), "failed": run.failed, "warnings": run.warnings}
        typer.echo(jsonlib.dumps(results))
        return
    rate = f"{run.seconds:.2f} s ({run.samples / max(run.seconds, 1e-9):,.0f} samples/s)"
    facts = more | {
        "sequences": f"{totals.sequences:,}",
        "samples": f"{totals.samples:,}",
        "updates": f"{totals.updates:,} ({_update_rate(totals)} of the samples)",
        "scored in": rate + (", the rest by the run before" if run.resumed else ""),
    }
    print_facts(f"{run.out}: scored by {run.bundle.info.name}", facts)
