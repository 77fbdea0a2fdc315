"""The command line: one module a command, imported when it is called, each importing what it needs when it runs."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from skiprnn_cli.console import fail_without_extra
from skiprnn_cli.renamed import command_class

__all__ = ["app", "main"]

_EXTRAS = {  # command → the extra that it needs
    "demo": "serve",
    "serve": "serve",
    "stream": "client",
    "score": "score",
    "inspect": "bundle",
    "train": "train",
    "compare": "train",
    "plot": "train",
    "report": "train",
    "export": "train",
    "bench": "client",
    "healthcheck": None,
    "keys": "serve",
}


class _OnDemand(Mapping[str, Any]):
    """Commands by name, imported when they are looked up: `healthcheck` runs every few seconds, `serve` starts soon."""

    def __getitem__(self, name: str) -> Any:
        if name not in _EXTRAS:
            raise KeyError(name)
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_EXTRAS)

    def __len__(self) -> int:
        return len(_EXTRAS)


class _Commands(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _OnDemand()  # type: ignore[assignment]  # nothing adds to them

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a module that is not installed ends it with the extra that brings it."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            extra = _EXTRAS.get(ctx.invoked_subcommand)
            if extra is None or error.name is None or error.name.startswith("skiprnn"):
                raise
            fail_without_extra(extra, error.name)


def _command(name: str) -> Any:
    """The module skiprnn_cli.NAME holds it by its name: a function, or the group of its subcommands."""
    try:
        module = import_module(f"skiprnn_cli.{name}")
    except ModuleNotFoundError as error:
        return _unavailable(name, error)
    found = getattr(module, name)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    return _single(
        name, found, cls=command_class(getattr(module, "RENAMED", {}), getattr(module, "RENAMED_VALUES", {}))
    )


def _unavailable(name: str, error: ModuleNotFoundError) -> Any:
    """Stands for a command that cannot even be imported, whatever its options: called, it raises the error."""

    def command() -> None:
        raise error

    anything = {"ignore_unknown_options": True, "allow_extra_args": True}
    return _single(
        name, command, help=f"Needs {error.name}, which is not installed.", context_settings=anything
    )


def _single(name: str, function: Any, **options: Any) -> Any:
    group = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
    group.command(name, **options)(function)
    return typer.main.get_command(group)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"skiprnn {version('skiprnn')}")
        raise typer.Exit


app = typer.Typer(name="skiprnn", cls=_Commands, no_args_is_help=True, pretty_exceptions_show_locals=False)


@app.callback()
def _skiprnn(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Recurrent networks that choose which samples update them: train, export, serve, stream."""


def main() -> None:
    """The `skiprnn` program."""
    app()
