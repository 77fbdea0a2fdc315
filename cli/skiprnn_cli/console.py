"""How commands speak: facts as a table on stdout; warnings and the reason of a failure on stderr."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import typer

INTERRUPTED = 130  # exit code that shells report for Ctrl-C


def print_facts(title: str, facts: Mapping[str, str]) -> None:
    """A two-column table; values are printed as they are, brackets included."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "", title=Text(title), title_justify="left", show_header=False)
    table.columns[1].overflow = "fold"  # a digest cut short is none
    for name, value in facts.items():
        table.add_row(Text(name), Text(value))
    Console().print(table)


def warn(text: str) -> None:
    """One line that does not stop the command."""
    typer.echo(f"warning: {text}", err=True)


@contextmanager
def log_lines(name: str, show: Callable[[str], None], *, level: int) -> Iterator[None]:
    """What a logger says from this level on goes to `show`, for the length of the block."""
    log, handler = logging.getLogger(name), _Handler(show)
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """For a command that goes on without anybody who reads its standard output."""
    try:
        yield
    except BrokenPipeError:
        _discard_output()


def _discard_output() -> None:
    """What is still buffered would raise again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Handler(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())


def fail_without_extra(extra: str, missing: str | None) -> NoReturn:
    """End a command whose extra is not installed: names the missing module and how to install it."""
    install = f"pip install -e '.[{extra}]' in a checkout, or pip install '/path/to/skiprnn[{extra}]'"
    fail(f"{missing} is not installed; install the extra {extra!r}: {install}")


def fail(reason: object, *, code: int = 2) -> NoReturn:
    """End the command with a message: code 2 for what was asked, 1 for what did not work out. Silent where whoever read
    standard output has left, as after `| head -1`."""
    if isinstance(reason, BrokenPipeError):
        _discard_output()
        raise typer.Exit(1)
    typer.echo(f"error: {reason}", err=True)
    raise typer.Exit(code)
