"""How commands speak."""

import pytest
import typer

from skiprnn_cli.console import fail, fail_without_extra, print_facts, warn


def test_facts_are_printed_as_they_are_brackets_included(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts("a [title]", {"[name]": "[/value]"})
    text = capsys.readouterr().out
    assert all(words in text for words in ("a [title]", "[name]", "[/value]"))


def test_a_warning_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    warn("something is odd")
    assert capsys.readouterr() == ("", "warning: something is odd\n")


@pytest.mark.parametrize("code", [1, 2])
def test_a_failure_is_one_line_on_standard_error_and_a_code(
    capsys: pytest.CaptureFixture[str], code: int
) -> None:
    with pytest.raises(typer.Exit) as ended:
        fail("it broke", code=code)
    assert ended.value.exit_code == code
    assert capsys.readouterr() == ("", "error: it broke\n")


def test_a_missing_extra_is_named_with_both_ways_to_install_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail_without_extra("train", "torch")
    assert capsys.readouterr().err == (
        "error: torch is not installed; install the extra 'train': "
        "pip install -e '.[train]' in a checkout, or pip install '/path/to/skiprnn[train]'\n"
    )
