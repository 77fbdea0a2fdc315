"""CONTRIBUTING.md names files, commands and targets that exist; so do the other pages of the repository's front."""

import re
import shlex
import tomllib

import pytest

from support.docker import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
RECIPES = PAGE.partition("## Four recipes")[2].partition("## Releases")[0]
FRONT = ["SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md", ".github/PULL_REQUEST_TEMPLATE.md"]


def code() -> list[str]:
    return re.findall(r"`([^`]+)`", PAGE)


def paths() -> list[str]:
    """What stands in code and looks like a path from the root; names in capitals stand for the reader's own."""
    found = {
        text for text in code() if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", text) and not re.search("NAME", text)
    }
    return sorted(found - {"runs/try", ".venv/bin/skiprnn"})


@pytest.mark.parametrize("path", paths())
def test_a_path_in_it_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("recipe", RECIPES.split("\n\n**")[1:], ids=lambda text: text.split("**")[0])
def test_a_file_that_a_recipe_names_in_short_lies_beside_one_that_it_names_in_full(recipe: str) -> None:
    named = re.findall(r"`([\w/.-]+\.(?:py|h|cpp|md|mk|toml))`", recipe)
    folders = [(ROOT / path).parent for path in named if "/" in path]
    for name in (path for path in named if "/" not in path):
        assert any((folder / name).exists() for folder in [ROOT, *folders]), name


@pytest.mark.parametrize("page", FRONT)
def test_links_of_a_page_of_the_front_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", (ROOT / page).read_text()):
        assert (ROOT / target).exists(), target


def test_every_target_of_make_in_it_is_one() -> None:
    makefiles = (ROOT / "Makefile").read_text() + (ROOT / "reproduce.mk").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefiles, re.M))
    assert {
        name for text in [*code(), PAGE] for name in re.findall(r"\bmake ([a-z-]+)(?=[ `\n])", text)
    } <= targets


def test_extras_and_groups_in_it_are_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [command] = [shlex.split(text) for text in code() if text.startswith("pip install")]
    assert command[command.index("--group") + 1] in project["dependency-groups"]
    assert command[command.index("-e") + 1][2:-1] in project["project"]["optional-dependencies"]
