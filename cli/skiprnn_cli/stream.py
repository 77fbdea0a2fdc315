"""`skiprnn stream`: recorded or live samples to a server, its updates as they come."""

import re
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from skiprnn_cli.console import fail
from skiprnn_cli.sources import Kind, Source, check_readable, opened
from skiprnn_cli.stream_picture import Picture
from skiprnn_cli.stream_view import JsonLines, PlainLines, View

if TYPE_CHECKING:
    from skiprnn_client import Ready, SyncConnection

T = TypeVar("T")

INTERRUPTED = 130  # what a shell reports for Ctrl-C
HERE = "ws://127.0.0.1:8000"

_PACE, _STREAM = "Pace", "The stream"


def stream(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|URL",
            help=f"A model's name (of {HERE}), or ws://HOST:PORT/v1/models/MODEL/stream.",
            show_default=False,
        ),
    ],
    source: Annotated[
        str, typer.Option("--input", "-i", "--csv", help="File of samples: .csv, .npy or .wav; - is stdin.")
    ] = "-",
    kind: Annotated[
        Kind | None,
        typer.Option("--format", help="Of the input.  [default: by its name, else csv]", show_default=False),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=1e-3,
            help="Samples a second.  [default: as fast as they come]",
            show_default=False,
            rich_help_panel=_PACE,
        ),
    ] = None,
    real_time: Annotated[
        bool,
        typer.Option(
            "--real-time", help="At the rate of the recording, or of the model.", rich_help_panel=_PACE
        ),
    ] = False,
    wake: Annotated[
        bool,
        typer.Option(
            "--wake/--no-wake", help="Leave out samples that will not be read.", rich_help_panel=_STREAM
        ),
    ] = True,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=1.0,
            help="Of the gate; higher reads fewer samples.  [default: the model's]",
            show_default=False,
            rich_help_panel=_STREAM,
        ),
    ] = None,
    stream_id: Annotated[
        str | None,
        typer.Option(
            help="Name the stream, or go on with the one of this name.",
            show_default=False,
            rich_help_panel=_STREAM,
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Do not end the stream after the last sample.", rich_help_panel=_STREAM),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line for every update.")
    ] = False,
) -> None:
    """Stream recorded or live samples to a server and show what the network makes of them.

    On a terminal it draws the signal, what was read (red) and what was skipped (blue), and the answer; into a pipe it
    writes a line for every update.

    Example: skiprnn stream watch --input exercise.csv --real-time
    """
    from skiprnn_client import ClientError, connect_sync

    try:
        check_readable(source)
        with connect_sync(_url(model), stream_id=stream_id, threshold=threshold) as connection:
            ready = connection.ready
            with opened(source, ready.features, kind) as found:
                view = _view(ready, found, json=json)
                pace = rate or (_real_rate(ready, found) if real_time else None)
                _pump(connection, _paced(found.samples, pace), view, wake=wake)
            if not keep:
                connection.end()
    except ClientError as error:
        fail(error, code=1)
    except (OSError, ValueError) as error:
        fail(error, code=2)


def _url(model: str) -> str:
    is_name = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model)
    return f"{HERE}/v1/models/{model}/stream" if is_name else model


def _real_rate(ready: "Ready", source: Source) -> float:
    rate = source.rate or ready.facts.get("sample_rate")
    if not rate:
        raise ValueError("--real-time: neither the recording nor the model says its rate; give --rate")
    return float(rate)


def _pump(connection: "SyncConnection", samples: Iterable[list[float]], view: View, *, wake: bool) -> None:
    """One sample at a time, so that none is sent in vain and every update shows at once."""
    try:
        with view:
            for x in samples:
                if wake and connection.leave_out(1):
                    view.add(x, None)
                    continue
                start = time.perf_counter()
                reply = connection.send(x)
                view.add(x, reply, round_trip=time.perf_counter() - start)
    except KeyboardInterrupt:
        stream_id = connection.ready.stream_id
        fail(f"interrupted; --stream-id {stream_id} goes on with the stream", code=INTERRUPTED)


def _view(ready: "Ready", source: Source, *, json: bool) -> View:
    console = Console()
    if json:
        return JsonLines(ready, console=console)
    if console.is_terminal:
        return Picture(ready, console=console, length=source.length)
    return PlainLines(ready, console=console)


def _paced(items: Iterable[T], rate: float | None) -> Iterator[T]:
    """`rate` items a second. What was late is made up for."""
    start = time.monotonic()
    for number, item in enumerate(items):
        if rate is not None:
            time.sleep(max(start + number / rate - time.monotonic(), 0))
        yield item
