"""`skiprnn stream`: recorded or live samples to a server, its updates as they come."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer
from rich.console import Console

from skiprnn_cli.console import fail
from skiprnn_cli.sources import Kind, Source, check_readable, opened
from skiprnn_cli.stream_picture import Picture
from skiprnn_cli.stream_view import JsonLines, PlainLines, View

if TYPE_CHECKING:
    from skiprnn_client import Ready

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
    give_up: Annotated[
        float,
        typer.Option(
            "--give-up",
            min=0,
            help="Seconds to try to come back when the connection breaks; 0: not at all.",
            rich_help_panel=_STREAM,
        ),
    ] = 300.0,
    api_key: Annotated[
        str | None,
        typer.Option(
            help="Key or token, for a server that asks for one.",
            envvar="SKIPRNN_API_KEY",
            show_default=False,
            rich_help_panel=_STREAM,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line for every update.")
    ] = False,
) -> None:
    """Stream recorded or live samples to a server and show what the network makes of them.

    On a terminal it draws the signal, what was read (red) and what was skipped (blue), and the answer; into a pipe it
    writes a line for every update.

    Example: skiprnn stream watch --input exercise.csv --real-time
    """
    from skiprnn_client import ClientError

    pace = _Pace(rate, real_time)
    run = _Run(source, kind, pace, wake=wake, json=json)
    options: dict[str, Any] = {"stream_id": stream_id, "threshold": threshold, "api_key": api_key}
    try:
        check_readable(source)
        run.pump(_url(model), give_up_seconds=give_up, end=not keep, **options)
    except KeyboardInterrupt:
        fail(run.interrupted(), code=INTERRUPTED)
    except ClientError as error:
        fail(error, code=1)
    except (OSError, ValueError) as error:
        fail(error, code=2)


class _Pace(NamedTuple):
    """As it was asked for."""

    rate: float | None
    real_time: bool

    def of(self, ready: "Ready", source: Source) -> float | None:
        """Samples a second; None: as fast as they come."""
        if self.rate or not self.real_time:
            return self.rate
        rate = source.rate or ready.facts.get("sample_rate")
        if not rate:
            raise ValueError("--real-time: neither the recording nor the model says its rate; give --rate")
        return float(rate)


class _Run:
    """One source through one stream, whatever happens to its connections.

    The client asks for a sample when the one before is settled, so what it asks for and what it hands out, in that
    order, is the whole story.
    """

    def __init__(self, source: str, kind: Kind | None, pace: _Pace, *, wake: bool, json: bool) -> None:
        self._source, self._kind, self._pace, self._wake, self._json = source, kind, pace, wake, json
        self._ready: Ready | None = None
        self._view: View | None = None
        self._asked_at = 0.0

    def pump(self, url: str, *, give_up_seconds: float, **options: Any) -> None:
        from skiprnn_client import RetryPolicy, stream_sync

        retry = RetryPolicy(retry_timeout_seconds=give_up_seconds) if give_up_seconds else None
        with _hearing(self._notice), ExitStack() as self._shown:
            updates = stream_sync(
                url, self._samples(), wake=self._wake, retry=retry, on_ready=self._on_ready, **options
            )
            with closing(updates):
                for update in updates:
                    assert self._view is not None  # updates answer samples
                    self._view.read(update, self._round_trip())

    def interrupted(self) -> str:
        known = self._ready and f"; --stream-id {self._ready.stream_id} goes on with the stream"
        return f"interrupted{known or ''}"

    def _notice(self, text: str) -> None:
        if self._view is None:  # before the first sample
            typer.echo(text, err=True)
        else:
            self._view.notice(text)

    def _round_trip(self) -> float | None:
        """Only with `wake` is every sample answered before the next is asked for."""
        return time.perf_counter() - self._asked_at if self._wake else None

    def _on_ready(self, ready: "Ready") -> None:
        if self._ready is not None:
            self._notice("connected again")
        self._ready = self._ready or ready

    def _samples(self) -> Iterator[list[float]]:
        """Called once the server has spoken."""
        assert self._ready is not None
        with opened(self._source, self._ready.features, self._kind) as found:
            self._view = view = self._shown.enter_context(self._new_view(self._ready, found))
            for x in _paced(found.samples, self._pace.of(self._ready, found)):
                view.add(x)
                self._asked_at = time.perf_counter()
                yield x

    def _new_view(self, ready: "Ready", source: Source) -> View:
        console = Console()
        if self._json:
            return JsonLines(ready, console=console, wake=self._wake)
        if console.is_terminal:
            return Picture(ready, console=console, wake=self._wake, length=source.length)
        return PlainLines(ready, console=console, wake=self._wake)


class _Hearing(logging.Handler):
    """Tells somebody what a logger says."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


@contextmanager
def _hearing(tell: Callable[[str], None]) -> Iterator[None]:
    """What the client says of broken connections, for the length of the block."""
    log, handler = logging.getLogger("skiprnn_client"), _Hearing(tell)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _url(model: str) -> str:
    is_name = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model)
    return f"{HERE}/v1/models/{model}/stream" if is_name else model


def _paced(items: Iterable[T], rate: float | None) -> Iterator[T]:
    """`rate` items a second. What was late is made up for."""
    start = time.monotonic()
    for number, item in enumerate(items):
        if rate is not None:
            time.sleep(max(start + number / rate - time.monotonic(), 0))
        yield item
