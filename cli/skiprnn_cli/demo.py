"""`skiprnn demo`: the shipped models, served on a free port, and the dashboard in a browser."""

import webbrowser
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from skiprnn_cli.console import reader_may_leave

RENAMED = {"--models": "--models-dir"}


def demo(
    models_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of bundles.  [default: the shipped ones]", show_default=False),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 0,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the dashboard in a browser.")
    ] = True,
) -> None:
    """Serve the shipped models on this machine and open the dashboard. Ctrl-C ends it.

    Example: skiprnn demo
    """
    from skiprnn_cli.serve import errors_in_one_line, http_address
    from skiprnn_service.server import uvicorn_server as server
    from skiprnn_service.settings import load

    with errors_in_one_line(), suppress(KeyboardInterrupt):  # uvicorn has shut down and passes the signal on
        settings = load(port=port, models_dir=models_dir, log_level="warning", drain_seconds=0.2)
        server.serve(
            settings, on_started=lambda port, _: _show(f"{http_address(settings, port)}/", open_page)
        )


def _show(page: str, open_page: bool) -> None:
    with reader_may_leave():
        typer.echo(f"The dashboard is at {page}\nCtrl-C ends the demo.")
    if open_page:  # in a thread: a text browser returns when it is closed
        Thread(target=webbrowser.open, args=(page,), daemon=True).start()
