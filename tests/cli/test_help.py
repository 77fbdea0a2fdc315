"""Every command explains itself: a sentence, an example that is one, and a place in docs/reference/cli.md."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from skiprnn_cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text()


def commands(group: TyperGroup, path: str = "skiprnn") -> dict[str, Any]:
    """All commands by what is typed, those of groups included."""
    found = dict[str, Any]()
    for name, command in group.commands.items():
        typed = f"{path} {name}"
        found |= commands(command, typed) if isinstance(command, TyperGroup) else {typed: command}
    return found


ROOT = typer.main.get_command(app)
assert isinstance(ROOT, TyperGroup)
COMMANDS = commands(ROOT)


def examples(command: Any) -> list[str]:
    return re.findall(r"^\s*Example: (.+)$", command.help or "", re.M)


@pytest.mark.parametrize("typed", COMMANDS)
def test_its_help_has_an_example_of_the_command_itself_with_options_that_exist(typed: str) -> None:
    command = COMMANDS[typed]
    (example,) = examples(command)
    assert example == typed or example.startswith(f"{typed} ")
    words = shlex.split(example.removeprefix(typed), comments=True)
    words = words[: words.index("&&")] if "&&" in words else words
    known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("-") and word != "-"} <= known


@pytest.mark.parametrize("typed", COMMANDS)
def test_every_option_is_explained(typed: str) -> None:
    silent = [
        option.name
        for option in COMMANDS[typed].params
        if option.name != "help" and not getattr(option, "help", None)
    ]
    assert silent == []


@pytest.mark.parametrize("typed", COMMANDS)
def test_it_has_a_place_in_the_docs(typed: str) -> None:
    assert f"`{typed}`" in PAGE
    (example,) = examples(COMMANDS[typed])
    assert example in PAGE


def test_the_docs_name_no_command_that_is_not_there() -> None:
    documented = re.findall(r"^## `(skiprnn [a-z ]+)`", PAGE, re.M)
    assert sorted(documented) == sorted(COMMANDS)


@pytest.mark.parametrize("typed", COMMANDS)
def test_its_help_is_shown(typed: str) -> None:
    result = CliRunner().invoke(app, [*typed.split()[1:], "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.stdout
