"""The options of `skiprnn stream`."""

import re
from typing import Annotated

import typer

from skiprnn_cli.console import INTERRUPTED, fail
from skiprnn_cli.stream.missing import Missing
from skiprnn_cli.stream.run import Run
from skiprnn_cli.stream.sources import Decimal, Format, check_readable

RENAMED = {"--csv": "--input", "--rate": "--sample-rate", "--keep": "--park", "--give-up": "--retry-timeout"}
HERE = "ws://127.0.0.1:8000"

_AFTER_A_LOSS = "start again without --stream-id; streams outlive a server with --store-url sqlite:///PATH"
_PACE, _STREAM = "Pace", "The stream"
_Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL|URL",
        help=f"A model's name (at {HERE}), or ws://HOST:PORT/v1/models/MODEL/stream.",
        show_default=False,
    ),
]
_Source = Annotated[
    str,
    typer.Option(
        "--input",
        "-i",
        help="File of samples (.csv, .tsv, .txt, also with .gz; .parquet, .npy, .wav); - is standard input.",
    ),
]
_Format = Annotated[
    Format | None,
    typer.Option("--format", help="Of the input.  [default: from its name, else csv]", show_default=False),
]
_Missing = Annotated[
    Missing,
    typer.Option(
        help="Rows with empty cells: an error, a missed sample (an update that falls on it waits for the next row), "
        "or the last value of each channel."
    ),
]
_Decimal = Annotated[
    Decimal | None,
    typer.Option(help="Decimal mark of CSV.  [default: is found]", show_default=False),
]
_SampleRate = Annotated[
    float | None,
    typer.Option(
        min=1e-3,
        help="Samples to send a second.  [default: as fast as they come]",
        show_default=False,
        rich_help_panel=_PACE,
    ),
]
_RealTime = Annotated[
    bool,
    typer.Option(
        "--real-time",
        help="Send at the sample rate of the recording, or of the model.",
        rich_help_panel=_PACE,
    ),
]
_Wake = Annotated[
    bool,
    typer.Option(
        "--wake/--no-wake", help="Do not send samples that the network skips.", rich_help_panel=_STREAM
    ),
]
_Threshold = Annotated[
    float | None,
    typer.Option(
        min=0.5,
        max=1.0,
        help="Of the gate; a higher one updates less often.  [default: the model's]",
        show_default=False,
        rich_help_panel=_STREAM,
    ),
]
_StreamId = Annotated[
    str | None,
    typer.Option(
        help="Name of the stream; a parked stream of this name is resumed.",
        show_default=False,
        rich_help_panel=_STREAM,
    ),
]
_Park = Annotated[
    bool,
    typer.Option(
        "--park", help="Leave the stream on the server after the last sample.", rich_help_panel=_STREAM
    ),
]
_RetryTimeout = Annotated[
    float,
    typer.Option(
        min=0,
        help="Seconds to try to connect again when the connection breaks; 0: do not try.",
        rich_help_panel=_STREAM,
    ),
]
_ApiKey = Annotated[
    str | None,
    typer.Option(
        help="Key or token, for a server that asks for one.",
        envvar="SKIPRNN_API_KEY",
        show_default=False,
        rich_help_panel=_STREAM,
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print a JSON object a line for every update.")]


def stream(
    model: _Model,
    source: _Source = "-",
    format: _Format = None,
    missing: _Missing = Missing.ERROR,
    decimal: _Decimal = None,
    sample_rate: _SampleRate = None,
    real_time: _RealTime = False,
    wake: _Wake = True,
    threshold: _Threshold = None,
    stream_id: _StreamId = None,
    park: _Park = False,
    retry_timeout: _RetryTimeout = 300.0,
    api_key: _ApiKey = None,
    json: _Json = False,
) -> None:
    """Stream recorded or live samples to a server and show the network's updates.

    On a terminal it draws the signal, which samples updated the network (red) and which it skipped (blue), and the
    outputs; into a pipe it writes a line for every update.

    Example: skiprnn stream watch --input exercise.csv --real-time
    """
    from skiprnn_client import ClientError, ConnectionFailed, StreamLost

    run = Run(
        source,
        format,
        sample_rate=sample_rate,
        real_time=real_time,
        wake=wake,
        json=json,
        missing=missing,
        decimal=decimal or "",
    )
    options = {"stream_id": stream_id, "threshold": threshold, "api_key": api_key, "end": not park}
    try:
        check_readable(source)
        run.pump(url_of(model), retry_timeout_seconds=retry_timeout, **options)
    except KeyboardInterrupt:
        fail(run.interrupted(), code=INTERRUPTED)
    except ConnectionFailed as error:
        fail(f"{error}; is the server running?", code=1)
    except StreamLost as error:
        fail(f"{error}; {_AFTER_A_LOSS}", code=1)
    except ClientError as error:
        fail(error, code=1)
    except (OSError, ValueError) as error:
        fail(error)


def url_of(model: str) -> str:
    """A name is a model of this machine; a URL stays as it is."""
    is_name = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model)
    return f"{HERE}/v1/models/{model}/stream" if is_name else model
