"""Options under their old names: accepted for one release, hidden from the help, with a warning that names the new one.

A command's module names them: `RENAMED = {"--old": "--new"}`, and `RENAMED_VALUES = {("--old", "value"): "new"}`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from typer.core import TyperCommand, TyperOption

from skiprnn_cli.console import warn


def command_class(
    renamed: Mapping[str, str], values: Mapping[tuple[str, str], str] = MappingProxyType({})
) -> type[TyperCommand]:
    """A command that takes the old options for the new ones, and their old values."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            options = [param for param in self.params if isinstance(param, TyperOption)]
            with_value = {name for option in options if not option.is_flag for name in option.opts}
            return super().parse_args(ctx, list(_translated(args, renamed, values, with_value)))

    return Command


def warn_renamed(old: str, new: str) -> None:
    """Say on standard error what to write instead of `old`."""
    warn(f"{old} is now {new}; {old} goes in the release after this one")


def _translated(
    args: list[str],
    renamed: Mapping[str, str],
    values: Mapping[tuple[str, str], str],
    with_value: set[str],
) -> Iterator[str]:
    """The same arguments with new names. The value of a new option stays as it is, and all that follows `--`."""
    rest = iter(args)
    for arg in rest:
        name, equals, value = arg.partition("=")
        new = renamed.get(name, name)
        if new != name:
            warn_renamed(name, new)
        yield new + equals + values.get((name, value), value)
        if new == "--":
            yield from rest
        elif new in with_value and not equals:
            yield from (values.get((name, value), value) for value in islice(rest, 1))
