"""`skiprnn stream`: recorded or live CSV lines to a server, its updates as they come."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeVar

import typer
from rich.console import Console

from skiprnn_cli.console import fail
from skiprnn_cli.csv_lines import read_samples
from skiprnn_cli.stream_view import JsonLines, Picture, PlainLines, View

if TYPE_CHECKING:
    from skiprnn_client import Ready, SyncConnection

T = TypeVar("T")

INTERRUPTED = 130  # what a shell reports for Ctrl-C


def stream(
    url: Annotated[
        str,
        typer.Argument(help="ws://HOST:PORT/v1/models/MODEL/stream", show_default=False),
    ],
    csv: Annotated[
        str, typer.Option("--csv", help="File with a sample a line; - reads standard input.")
    ] = "-",
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", min=1e-3, help="Samples a second. [default: as fast as they come]", show_default=False
        ),
    ] = None,
    wake: Annotated[bool, typer.Option(help="Leave out samples that will not be read.")] = True,
    stream_id: Annotated[
        str | None,
        typer.Option(
            "--stream-id", help="Name the stream, or go on with the one of this name.", show_default=False
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Do not end the stream after the last line.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line for every update.")
    ] = False,
) -> None:
    """Stream recorded or live samples to a server and show what the network makes of them."""
    from skiprnn_client import ClientError, connect_sync

    try:
        with _opened(csv) as lines, connect_sync(url, stream_id=stream_id) as connection:
            samples = read_samples(lines, connection.ready.features, source=csv)
            view = _view(connection.ready, json=json)
            _pump(connection, _paced(samples, rate), view, wake=wake)
            if not keep:
                connection.end()
    except ClientError as error:
        fail(error, code=1)
    except (OSError, ValueError) as error:
        fail(error, code=2)


def _pump(connection: "SyncConnection", samples: Iterable[list[float]], view: View, *, wake: bool) -> None:
    """One sample at a time, so that none is sent in vain and every update shows at once."""
    try:
        with view:
            for x in samples:
                needless = wake and connection.leave_out(1)
                view.add(x, None if needless else connection.send(x))
    except KeyboardInterrupt:
        stream_id = connection.ready.stream_id
        fail(f"interrupted; --stream-id {stream_id} goes on with the stream", code=INTERRUPTED)


def _view(ready: "Ready", *, json: bool) -> View:
    console = Console()
    if json:
        return JsonLines(ready, console=console)
    return Picture(ready, console=console) if console.is_terminal else PlainLines(ready, console=console)


@contextmanager
def _opened(csv: str) -> Iterator[TextIO]:
    if csv == "-":
        yield sys.stdin
        return
    with Path(csv).open(encoding="utf-8-sig", newline="") as lines:
        yield lines


def _paced(items: Iterable[T], rate: float | None) -> Iterator[T]:
    """`rate` items a second. What was late is made up for."""
    start = time.monotonic()
    for number, item in enumerate(items):
        if rate is not None:
            time.sleep(max(start + number / rate - time.monotonic(), 0))
        yield item
