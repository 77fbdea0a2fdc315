"""`skiprnn healthcheck`: whether the server on this machine is ready. For container engines; needs only Python."""

import http.client
import json
import os
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import typer

from skiprnn_cli.console import fail

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # address a server listens on → address to ask  # nosec B104
_open = build_opener(ProxyHandler({})).open  # without a proxy: the server is on this machine


def healthcheck(
    url: Annotated[
        str | None,
        typer.Option(help="URL of the server.", show_default="http://$SKIPRNN_HOST:$SKIPRNN_PORT"),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask whether the process is alive, not whether it is ready.")
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
    """URL of the server that this environment configures."""
    host = os.environ.get("SKIPRNN_HOST", "127.0.0.1")
    return f"http://{_EVERYWHERE.get(host, host)}:{os.environ.get('SKIPRNN_PORT', '8000')}"


def _reason(error: HTTPError) -> str:
    """Why a server is not ready, in one line, as it reports it."""
    try:
        report = json.load(error)
    except ValueError:
        return str(error.reason)
    return json.dumps(
        {
            name: value
            for name, value in report.items()
            if name != "ready" and value not in ({}, [], "ok", False)
        }
    )
