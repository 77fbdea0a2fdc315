"""The options of `skiprnn bench`."""

import asyncio
import json
import os
from typing import Annotated, Literal

import typer

from skiprnn_cli.console import fail
from skiprnn_cli.renamed import warn_renamed

_Url = Annotated[
    str,
    typer.Argument(help="ws://HOST:PORT/v1/models/MODEL/stream, of your own server.", show_default=False),
]
_SampleRate = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        help="Samples a second of each stream.  [default: the next message when the last is answered]",
        show_default=False,
    ),
]
_OldRate = Annotated[
    float | None, typer.Option("--rate", min=0.001, hidden=True, help="Messages a second of each stream.")
]
_ApiKey = Annotated[
    str | None, typer.Option(envvar="SKIPRNN_API_KEY", help="Key or token.", show_default=False)
]


def bench(
    url: _Url,
    streams: Annotated[int, typer.Option(min=1, help="Streams at once.")] = 64,
    samples: Annotated[int, typer.Option(min=1, help="Samples in a message; standard normal noise.")] = 1,
    sample_rate: _SampleRate = None,
    rate: _OldRate = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds to measure.")] = 5.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds of load before that.")] = 1.0,
    encoding: Annotated[Literal["f32", "json"], typer.Option(help="Of messages and replies.")] = "f32",
    api_key: _ApiKey = None,
) -> None:
    """Load a server with streams and print one JSON object: messages a second, latencies, update rate.

    With --sample-rate, latency counts from when a message was due. The load is plain Python: where client_cpu is near
    1, it and not the server was the limit; run several at once then.

    Example: skiprnn bench ws://127.0.0.1:8000/v1/models/watch/stream --streams 100 --sample-rate 20
    """
    from skiprnn_cli.bench.load import Load, run
    from skiprnn_client import ClientError, ConnectionFailed

    sample_rate = sample_rate if rate is None else _samples_a_second(rate, samples)
    load = Load(url, streams, samples, sample_rate=sample_rate, encoding=encoding, api_key=api_key)
    try:
        report = asyncio.run(run(load, seconds=seconds, warm_up=warm_up))
    except ConnectionFailed as error:
        fail(f"{error}; is the server running?{_hint(streams)}", code=1)
    except (ClientError, ValueError, OSError) as error:
        fail(f"{error}{_hint(streams)}")
    typer.echo(json.dumps(report, indent=2))


def _samples_a_second(rate: float, samples: int) -> float:
    """The old option counted messages."""
    warn_renamed("--rate (messages a second)", "--sample-rate (samples a second)")
    return rate * samples


def _hint(streams: int) -> str:
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if streams + 50 <= files or os.name != "posix":
        return ""
    return f" (open files are limited to {files}: ulimit -n)"
