"""docs/explanation/architecture.md: its tables of packages are those that the imports are held to."""

import re
from pathlib import Path

from test_architecture import MAY_IMPORT, NEED_TORCH, SERVICE_PACKAGES, TORCH_FREE

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "architecture.md"
LEAVES = {"errors", "settings", "stats"}


def table() -> dict[str, set[str]]:
    """Package → what it may import, in the order of the page."""
    section = PAGE.read_text().partition("## Inside the service")[2].partition("\n## ")[0]
    found: dict[str, set[str]] = {}
    for names, allowed in re.findall(r"^\| (`.*?) \|.*\| (.*) \|$", section, re.M):
        may = set(re.findall(r"\w+", allowed)) - {"none"}
        may |= {"errors"} | (LEAVES if "leaves" in may else set())
        for name in re.findall(r"`(\w+)", names):
            found[name] = set() if allowed == "none" else may - {"leaves"}
    return found


def test_the_table_of_the_page_is_the_one_that_is_tested() -> None:
    found = {name: may for name, may in table().items() if name in SERVICE_PACKAGES}
    assert found == SERVICE_PACKAGES


def test_the_table_of_the_distribution_is_the_one_that_is_tested() -> None:
    section = PAGE.read_text().partition("| package | may import |\n|---|---|\n")[2].partition("\n\n")[0]
    found: dict[str, set[str]] = {}
    for names, allowed in re.findall(r"^\| (.*?) \| (.*) \|$", section, re.M):
        may = set(re.findall(r"`([\w.]+)`", allowed))
        for name in re.findall(r"`(\w+)`", names):
            found[name] = MAY_IMPORT.keys() - {name} if allowed == "all others" else may
    in_export = found["skiprnn_export"] - {"skiprnn"}
    assert in_export == NEED_TORCH | {name.partition(".")[2] for name in TORCH_FREE}
    assert found | {"skiprnn_export": {"skiprnn"}} == MAY_IMPORT


def test_imports_go_down_the_table() -> None:
    order = list(table())
    for name, may in table().items():
        assert all(order.index(below) > order.index(name) for below in may), name


def test_every_file_of_the_data_has_its_place_on_the_page() -> None:
    section = PAGE.read_text().partition("Files of `data/`")[2].partition("\n## ")[0]
    listed = [
        name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`(\w+)`", row)
    ]
    files = (PAGE.parents[2] / "model" / "skiprnn" / "data").glob("[!_]*.py")
    assert sorted(listed) == sorted(file.stem for file in files)
