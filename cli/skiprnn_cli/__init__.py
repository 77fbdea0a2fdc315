"""The command line: one file a command, imported when it is called, each importing what it needs when it runs."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["app", "main"]

_COMMANDS = (
    "demo",
    "serve",
    "stream",
    "score",
    "inspect",
    "train",
    "plot",
    "export",
    "bench",
    "healthcheck",
    "keys",
)


class _OnDemand(Mapping[str, Any]):
    """Commands by name, imported when they are looked up: `healthcheck` runs every few seconds, `serve` starts soon."""

    def __getitem__(self, name: str) -> Any:
        if name not in _COMMANDS:
            raise KeyError(name)
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class _Commands(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _OnDemand()  # type: ignore[assignment]  # nobody adds to them


def _command(name: str) -> Any:
    """skiprnn_cli/NAME.py holds it by its name: a function, or the group of its subcommands."""
    found = getattr(import_module(f"skiprnn_cli.{name}"), name)
    if not isinstance(found, typer.Typer):
        single, found = found, typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        found.command(name)(single)
    return typer.main.get_command(found)


app = typer.Typer(name="skiprnn", cls=_Commands, no_args_is_help=True, pretty_exceptions_show_locals=False)


@app.callback()
def _skiprnn() -> None:
    """Recurrent networks that read only the samples they choose: train, export, serve, stream."""


def main() -> None:
    """The `skiprnn` program."""
    app()
