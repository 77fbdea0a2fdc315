"""Options under their old names: taken for the new ones, with one line that says so."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner, Result

from skiprnn_cli.renamed import command_class

RENAMED = {"--rate": "--sample-rate", "--keep": "--park", "--old-name": "--name"}
WARNING = "warning: --rate is now --sample-rate; --rate will be removed in the next release\n"


def run(*arguments: str) -> Result:
    app = typer.Typer()

    @app.command(cls=command_class(RENAMED))
    def command(
        words: Annotated[list[str] | None, typer.Argument()] = None,
        sample_rate: Annotated[float, typer.Option(min=1)] = 50.0,
        name: Annotated[str, typer.Option("--name", "-n")] = "",
        park: Annotated[bool, typer.Option("--park")] = False,
    ) -> None:
        typer.echo(repr((words, sample_rate, name, park)))

    return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


@pytest.mark.parametrize("arguments", [["--rate", "20"], ["--rate=20"]])
def test_an_old_name_sets_the_new_option_and_warns_once(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.stdout, result.stderr) == ("(None, 20.0, '', False)\n", WARNING)


@pytest.mark.parametrize(
    "arguments", [["--rate", "20", "--sample-rate", "30"], ["--sample-rate=30", "--rate=20"]]
)
def test_a_new_name_wins_over_an_old_one_and_that_is_said(arguments: list[str]) -> None:
    result = run(*arguments)
    wins = "; both are given, and --sample-rate wins\n"
    assert (result.stdout, result.stderr) == ("(None, 30.0, '', False)\n", WARNING.replace("\n", wins))


def test_a_new_name_may_be_given_by_its_letter() -> None:
    result = run("-n", "new", "--old-name", "old")
    assert result.stdout == "(None, 50.0, 'new', False)\n"
    assert result.stderr.endswith("both are given, and --name wins\n")


def test_an_old_flag_is_a_flag_still() -> None:
    result = run("--keep", "word")
    assert result.stdout == "(['word'], 50.0, '', True)\n"
    assert result.stderr.startswith("warning: --keep is now --park;")


def test_new_names_warn_of_nothing() -> None:
    assert run("--sample-rate", "20", "--park", "--name", "x").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        (["--name", "--rate"], "(None, 50.0, '--rate', False)"),
        (["-n", "--rate"], "(None, 50.0, '--rate', False)"),
        (["--name=--rate"], "(None, 50.0, '--rate', False)"),
        (["--park", "--", "--rate"], "(['--rate'], 50.0, '', True)"),
        (["rate"], "(['rate'], 50.0, '', False)"),
    ],
)
def test_what_only_looks_like_an_old_option_stays_as_it_is(arguments: list[str], parsed: str) -> None:
    result = run(*arguments)
    assert (result.stdout, result.stderr) == (f"{parsed}\n", "")


def test_a_value_out_of_range_is_an_error_that_names_the_new_option() -> None:
    result = run("--rate", "0")
    assert result.exit_code == 2
    assert "'--sample-rate'" in result.stderr


def test_the_help_shows_new_names_alone() -> None:
    text = run("--help").stdout
    assert "--sample-rate" in text
    assert not any(f"{old} " in text for old in RENAMED)


def test_an_option_without_its_value_is_an_error() -> None:
    assert run("--rate").exit_code == 2
