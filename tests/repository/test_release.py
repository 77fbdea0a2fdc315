"""A release: one version everywhere, and a tag that is not ready is told everything that is missing."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from support.docker import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SCRIPT = ROOT / ".github/check_release.py"
READY = {
    "pyproject.toml": '[project]\nversion = "1.2.0"\nurls = { Source = "https://host/us/it" }\n',
    "CHANGELOG.md": "## [Unreleased]\n\n## [1.2.0] - 2030-01-31\n",
    "SECURITY.md": "Address: security@host.example\n",
    "CODE_OF_CONDUCT.md": "Address: conduct@host.example\n",
}


def check(folder: Path, tag: str, **files: str) -> tuple[int, list[str]]:
    """Status and lines of a check in a folder of READY's files, some of them different."""
    for name, text in READY.items():
        (folder / name).write_text(files.get(name.partition(".")[0], text))
    command = [sys.executable, str(SCRIPT), tag, "https://host/us/it"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.splitlines()


def test_a_ready_tag_passes(tmp_path: Path) -> None:
    assert check(tmp_path, "v1.2.0") == (0, [])


@pytest.mark.parametrize(
    ("tag", "files", "missing"),
    [
        ("v1.3.0", {}, "the tag: expected v1.2.0 (pyproject.toml), got v1.3.0"),
        ("v1.2.0", {"CHANGELOG": "## [Unreleased]\n"}, "CHANGELOG.md: expected a section ## [1.2.0], found none"),
        ("v1.2.0", {"SECURITY": "Address: not set\n"}, "SECURITY.md: expected a line 'Address: NAME@HOST', found none"),
        (
            "v1.2.0",
            {"pyproject": READY["pyproject.toml"].replace("us/it", "them/it")},
            "pyproject.toml, project.urls.Source: expected https://host/us/it, got https://host/them/it",
        ),
    ],
)  # fmt: skip
def test_a_tag_that_is_not_ready_is_told_what_is_missing(
    tmp_path: Path, tag: str, files: dict[str, str], missing: str
) -> None:
    assert check(tmp_path, tag, **files) == (1, [missing])


def test_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    status, lines = check(tmp_path, "v9", CHANGELOG="", SECURITY="", CODE_OF_CONDUCT="")
    assert (status, len(lines)) == (1, 4)


def test_images_and_the_browser_client_have_the_version_of_the_project() -> None:
    files = [*ROOT.glob("docker-compose*.yml"), ROOT / "Dockerfile", *(ROOT / "docs").rglob("*.md")]
    tags = {tag for file in files for tag in re.findall(r"skiprnn:(\d+\.\d+\.\d+)", file.read_text())}
    [image] = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text())["images"]
    package = json.loads((ROOT / "client/js/package.json").read_text())
    assert tags | {image["newTag"], package["version"]} == {VERSION}


def test_the_address_of_the_repository_is_the_same_everywhere() -> None:
    source = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == source
    files = [ROOT / "pyproject.toml", *(ROOT / ".github").rglob("*.yml")]
    text = "\n".join(file.read_text() for file in files)
    assert set(re.findall(r"https://github\.com/[\w-]+/[\w-]+", text)) == {source}
