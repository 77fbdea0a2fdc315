"""`skiprnn healthcheck`: does the server here answer? For container engines; needs nothing but Python."""

import http.client
import json
import os
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import typer

from skiprnn_cli.console import fail

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # where a server listens → where to ask it  # nosec B104
_open = build_opener(ProxyHandler({})).open  # the server is here: a proxy in the environment is not for it


def healthcheck(
    url: Annotated[
        str | None,
        typer.Option(help="Of the server.", show_default="http://$SKIPRNN_HOST:$SKIPRNN_PORT"),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask whether the process answers, not whether it can serve.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer.")] = 3.0,
) -> None:
    """Ask a server whether it is ready: exit code 0 if so, 1 and the reason if not.

    Example: skiprnn healthcheck --url http://127.0.0.1:8000
    """
    address = f"{(url or _here()).rstrip('/')}/v2/health/{'live' if live else 'ready'}"
    try:
        with _open(address, timeout=timeout) as response:
            response.read()
    except HTTPError as error:
        fail(f"{address}: {error.code} {_reason(error)}", code=1)
    except (URLError, OSError, ValueError, http.client.HTTPException) as error:
        fail(f"{address}: {error}", code=1)
    typer.echo("ok")


def _here() -> str:
    """The server that this environment configures."""
    host = os.environ.get("SKIPRNN_HOST", "127.0.0.1")
    return f"http://{_EVERYWHERE.get(host, host)}:{os.environ.get('SKIPRNN_PORT', '8000')}"


def _reason(error: HTTPError) -> str:
    """What a server that is not ready says is wrong, in one line."""
    try:
        report = json.load(error)
    except ValueError:
        return str(error.reason)
    return json.dumps(
        {name: said for name, said in report.items() if name != "ready" and said not in ({}, [], "ok", False)}
    )
