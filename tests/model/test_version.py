"""The version is that of pyproject.toml."""

import tomllib
from pathlib import Path

import skiprnn


def test_the_version_is_written_in_one_place() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert skiprnn.__version__ == project["version"]
