"""Options under their old names: accepted for one release, hidden from the help, with a warning that names the new one.

A command's module names them: `RENAMED = {"--old": "--new"}`, and `RENAMED_VALUES = {("--old", "value"): "new"}`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any

from typer.core import TyperCommand, TyperOption

from skiprnn_cli.console import warn


def command_class(
    renamed: Mapping[str, str], values: Mapping[tuple[str, str], str] = MappingProxyType({})
) -> type[TyperCommand]:
    """A command that takes old options and their old values for the new ones. The new one wins."""

    class Command(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            options = [param for param in self.params if isinstance(param, TyperOption)]
            parts = list(_parts(args, renamed, {name for o in options if not o.is_flag for name in o.opts}))
            given = {part[0].partition("=")[0] for part in parts}
            winners = {name for o in options if not o.multiple and given & {*o.opts} for name in o.opts}
            current = [arg for part in parts for arg in _current(part, renamed, values, winners)]
            return super().parse_args(ctx, current)

    return Command


def warn_renamed(old: str, new: str, *, wins: bool = False) -> None:
    """Say on standard error what to write instead of `old`, and whether the new one is given too and wins."""
    both = f"; both are given, and {new} wins" if wins else ""
    warn(f"{old} is now {new}; {old} will be removed in the next release{both}")


def _parts(args: Sequence[str], renamed: Mapping[str, str], with_value: set[str]) -> Iterator[list[str]]:
    """Each argument; an option with its value, and `--` with all that follows it."""
    rest = iter(args)
    for arg in rest:
        name, equals, _ = arg.partition("=")
        if arg == "--":
            yield [arg, *rest]
        elif renamed.get(name, name) in with_value and not equals:
            yield [arg, *islice(rest, 1)]
        else:
            yield [arg]


def _current(
    part: list[str],
    renamed: Mapping[str, str],
    values: Mapping[tuple[str, str], str],
    winners: set[str],
) -> list[str]:
    """The same with its new name and value; nothing where the new name is given too."""
    name, equals, value = part[0].partition("=")
    if name not in renamed:
        return part
    new = renamed[name]
    warn_renamed(name, new, wins=new in winners)
    if new in winners:
        return []
    return [new + equals + values.get((name, value), value), *(values.get((name, v), v) for v in part[1:])]
