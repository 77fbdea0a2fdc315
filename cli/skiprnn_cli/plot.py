"""`skiprnn plot`: pictures of training runs."""

from pathlib import Path
from typing import Annotated

import typer

from skiprnn_cli.console import fail


def plot(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders that `skiprnn train` wrote.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the pictures.", show_default="the first run's"),
    ] = None,
) -> None:
    """Draw a run's curves and at which samples it updates; of several runs, the metric against the update rate.

    Example: skiprnn plot runs/watch
    """
    from skiprnn.training.plots import plot_front, plot_run

    folder = out or runs[0]
    try:
        files = plot_run(runs[0], folder) if len(runs) == 1 else [plot_front(runs, folder)]
    except (OSError, ValueError) as error:
        fail(error)
    for file in files:
        typer.echo(file)
