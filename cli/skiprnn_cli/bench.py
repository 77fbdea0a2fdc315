"""`skiprnn bench`: how much a running server takes, and how fast it answers."""

import asyncio
import json
import os
from typing import Annotated, Literal

import typer

from skiprnn_cli.console import fail


def bench(
    url: Annotated[
        str,
        typer.Argument(help="ws://HOST:PORT/v1/models/MODEL/stream, of your own server.", show_default=False),
    ],
    streams: Annotated[int, typer.Option(min=1, help="At once.")] = 64,
    samples: Annotated[int, typer.Option(min=1, help="In a message; standard normal noise.")] = 1,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="Messages a second of each stream.  [default: the next when the last is answered]",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of measurement.")] = 5.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before it.")] = 1.0,
    encoding: Annotated[Literal["f32", "json"], typer.Option(help="Of messages and replies.")] = "f32",
    api_key: Annotated[
        str | None, typer.Option(envvar="SKIPRNN_API_KEY", help="Key or token.", show_default=False)
    ] = None,
) -> None:
    """Load a server with streams and print one JSON object: messages a second, latencies, share of samples read.

    With --rate, latency counts from when a message was due. The load is plain Python: where client_cpu is near 1, it
    and not the server was the limit; run several at once then.

    Example: skiprnn bench ws://127.0.0.1:8000/v1/models/watch/stream --streams 100 --rate 20
    """
    from skiprnn_cli.bench_load import Load, run
    from skiprnn_client import ClientError

    load = Load(url, streams, samples, rate=rate, encoding=encoding, api_key=api_key)
    try:
        found = asyncio.run(run(load, seconds=seconds, warm_up=warm_up))
    except (ClientError, ValueError, OSError) as error:
        fail(f"{error}{_hint(streams)}")
    typer.echo(json.dumps(found, indent=2))


def _hint(streams: int) -> str:
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return (
        f" (open files are limited to {files}: ulimit -n)"
        if streams + 50 > files and os.name == "posix"
        else ""
    )
