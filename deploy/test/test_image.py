"""The image: what is in it, what is not, and whom it runs as."""

import json
import re
import tomllib
from typing import Any

import pytest

from support.compose import public_images
from support.docker import ROOT, Engine

OWN_MEGABYTES = 300  # above the public base: docs/how-to/deploy.md says what of


@pytest.fixture(scope="module")
def facts(container_engine: Engine, image: str) -> dict[str, Any]:
    return container_engine.inspect(image)


def inside(engine: Engine, image: str, script: str) -> str:
    return engine.docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-ec", script)


def test_it_is_no_larger_than_the_docs_say(container_engine: Engine, facts: dict[str, Any]) -> None:
    base = container_engine.inspect(public_images()[0])["Size"]
    assert (facts["Size"] - base) / 1e6 < OWN_MEGABYTES


def test_its_user_is_a_number_and_not_root(facts: dict[str, Any]) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", facts["Config"]["User"])


def test_signals_and_health_checks_reach_the_program_without_a_shell(facts: dict[str, Any]) -> None:
    assert facts["Config"]["Entrypoint"] == ["skiprnn"]
    assert facts["Config"]["Healthcheck"]["Test"][0] == "CMD"


def test_its_labels_say_the_version_of_the_project(facts: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert facts["Config"]["Labels"]["org.opencontainers.image.version"] == version


def test_neither_torch_nor_a_compiler_is_in_it(container_engine: Engine, image: str) -> None:
    script = "! command -v cc; ! command -v gcc; ls /opt/skiprnn/lib/python3*/site-packages"
    packages = inside(container_engine, image, script).split()
    assert "onnxruntime" in packages
    assert not {"torch", "lightning", "pip", "setuptools"} & set(packages)


def test_its_versions_are_the_locked_ones(container_engine: Engine, image: str) -> None:
    script = (
        "from importlib.metadata import distributions as d; print(*(f'{x.name}=={x.version}' for x in d()))"
    )
    installed = inside(container_engine, image, f'python -c "{script}"').lower().replace("_", "-").split()
    lock = (ROOT / "deploy/requirements/cpu.txt").read_text()
    locked = re.findall(r"^(\S+==\S+)", lock, re.MULTILINE)
    assert {name for name in installed if not name.startswith("skiprnn==")} == set(locked)


def test_its_user_can_write_nothing_of_the_program(container_engine: Engine, image: str) -> None:
    assert inside(container_engine, image, "find /opt/skiprnn /models /usr -writable ! -type l") == ""


def test_everything_is_compiled_so_that_a_read_only_root_starts_fast(
    container_engine: Engine, image: str
) -> None:
    script = "import asyncio, skiprnn_service.app as app; print(asyncio.__cached__, app.__cached__)"
    inside(container_engine, image, f"files=$(python -c '{script}'); ls $files")


def test_the_runtime_leaves_no_identity_of_the_machine_behind(container_engine: Engine, image: str) -> None:
    """Its telemetry, on by default outside CI, writes a device id when it is imported."""
    options = ("--name", "skiprnn-test-import", "--network", "none", "--entrypoint", "env")
    container_engine.docker("run", *options, image, "-u", "CI", "python", "-c", "import onnxruntime")
    try:
        assert container_engine.docker("diff", "skiprnn-test-import") == ""
    finally:
        container_engine.docker("rm", "skiprnn-test-import")


def test_its_history_names_no_registry(container_engine: Engine, image: str) -> None:
    history = container_engine.docker("history", "--no-trunc", "--format", "{{json .CreatedBy}}", image)
    commands = [json.loads(line) for line in history.splitlines()]
    assert not [command for command in commands if re.search(r"index-url|://\S*/simple", command)]
