"""The Dockerfile: linted, and nothing in it that floats, leaks or differs from the project."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from skiprnn_service.settings import Settings
from support.docker import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ROOT / "deploy/requirements"


def locked(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) ", (LOCKS / lock).read_text(), re.MULTILINE))


def required(extra: str) -> list[Requirement]:
    """What an extra wants, through the extras of ours that it names."""
    found = []
    for text in PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            found += [wanted for name in requirement.extras for wanted in required(name)]
        else:
            found.append(requirement)
    return found


def unmet(lock: str, *extras: str) -> list[str]:
    versions = locked(lock)
    wanted = [Requirement(text) for text in PROJECT["dependencies"]]
    wanted += [requirement for extra in extras for requirement in required(extra)]
    return [
        str(requirement)
        for requirement in wanted
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"))
    ]


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_begins_with_the_one_base_and_that_has_an_exact_tag() -> None:
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-bookworm", base)
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    names = {name for _, name in stages}
    assert {image for image, _ in stages} <= {"${PYTHON_IMAGE}", *names}
    assert [name for _, name in stages][-2:] == ["gpu", "cpu"]  # the last is the default


def test_nothing_that_older_engines_reject_is_in_it() -> None:
    assert not re.search(r"^# *syntax|<<|--link|start.interval", DOCKERFILE, re.MULTILINE)


def test_its_version_is_that_of_the_project() -> None:
    assert f"ARG VERSION={PROJECT['version']}\n" in DOCKERFILE


def test_the_settings_in_it_are_settings() -> None:
    names = {name.lower() for name in re.findall(r"SKIPRNN_(\w+)=", DOCKERFILE)}
    assert names
    assert names <= set(Settings.model_fields)


def test_the_locks_hold_what_the_project_needs() -> None:
    assert unmet("cpu.txt", "serve", "redis", "otel") == []
    assert set(unmet("gpu.txt", "gpu", "redis", "otel")) == {"onnxruntime>=1.22"}  # onnxruntime-gpu is there


def test_the_build_tools_are_locked_as_pyproject_asks() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    versions = locked("build.txt")
    assert all(Requirement(text).specifier.contains(versions[Requirement(text).name]) for text in build)


def test_a_lock_has_one_runtime_and_no_training() -> None:
    cpu, gpu = locked("cpu.txt"), locked("gpu.txt")
    assert ("onnxruntime" in cpu, "onnxruntime-gpu" in cpu) == (True, False)
    assert ("onnxruntime" in gpu, "onnxruntime-gpu" in gpu) == (False, True)
    assert "torch" not in cpu | gpu


def test_locks_name_no_registry() -> None:
    assert not [
        path.name for path in LOCKS.glob("*.txt") if re.search(r"https?://|index-url", path.read_text())
    ]


def test_nothing_goes_to_the_engine_but_what_is_copied() -> None:
    """Everything is ignored, and what is let through again is what the Dockerfile copies."""
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = set[str]()
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        copied |= set(sources.split())
    assert "*" in rules
    assert {path.split("/")[0] for path in copied} == {path.split("/")[0] for path in let_through}
