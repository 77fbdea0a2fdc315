"""The command line: one file a command, each importing what it needs when it runs."""

import typer

from skiprnn_cli.bench import bench
from skiprnn_cli.demo import demo
from skiprnn_cli.export import export
from skiprnn_cli.healthcheck import healthcheck
from skiprnn_cli.inspect import inspect
from skiprnn_cli.keys import app as keys_app
from skiprnn_cli.plot import plot
from skiprnn_cli.score import score
from skiprnn_cli.serve import command as serve_command
from skiprnn_cli.stream import stream
from skiprnn_cli.train import train

__all__ = ["app", "main"]

app = typer.Typer(
    name="skiprnn",
    help="Recurrent networks that read only the samples they choose: train, export, serve, stream.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for command in (demo, stream, score, inspect, train, plot, export, bench, healthcheck):
    app.command()(command)
app.command("serve")(serve_command())
app.add_typer(keys_app)


def main() -> None:
    """The `skiprnn` program."""
    app()
