"""What is installed works by itself: `make wheel-test` runs this against a wheel, without the checkout."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest

from skiprnn_client import stream_sync
from skiprnn_service.settings import SHIPPED_MODELS
from support.serve_command import address, start

PACKAGES = ("skiprnn", "skiprnn_export", "skiprnn_service", "skiprnn_client", "skiprnn_cli")
PROGRAM = Path(sys.executable).with_name("skiprnn")


def folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent


def modules(package: str) -> list[str]:
    root = folder(package).parent
    names = [file.relative_to(root).with_suffix("") for file in folder(package).rglob("*.py")]
    return sorted(".".join(name.parts).removesuffix(".__init__") for name in names)


def missing(module: str) -> str:
    """The package for want of which it cannot be imported; empty when it can."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return error.name or str(error)
    return ""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """http://HOST:PORT of the shipped models."""
    process = start("--port", "0")
    yield address(process)
    process.terminate()
    process.communicate(timeout=60)


@pytest.mark.filterwarnings("ignore:skiprnn:DeprecationWarning")  # modules under the names of version 0.1
@pytest.mark.parametrize("module", [name for package in PACKAGES for name in modules(package)])
def test_a_module_lacks_at_most_what_an_extra_brings(module: str) -> None:
    assert not missing(module).startswith("skiprnn")


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told_that_it_is_typed(package: str) -> None:
    assert (folder(package) / "py.typed").is_file()


def test_the_program_lists_its_commands() -> None:
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True)
    assert "healthcheck" in done.stdout


def test_every_shipped_model_is_served(server: str) -> None:
    subprocess.run([PROGRAM, "healthcheck", "--url", server], check=True)
    names = {model["name"] for model in httpx.get(f"{server}/v1/models").json()["models"]}
    assert names == {path.stem for path in SHIPPED_MODELS.glob("*.onnx")} != set()


def test_a_client_streams_a_recording(server: str) -> None:
    recording = np.loadtxt(SHIPPED_MODELS.parent / "page" / "exercise.csv", delimiter=",", skiprows=1)
    url = server.replace("http", "ws") + "/v1/models/watch/stream"
    updates = list(stream_sync(url, recording))
    assert 0 < len(updates) < len(recording)
    assert updates[0].t == 0


@pytest.mark.parametrize("path", ["", "page/app.js", "page/client/connection.js"])
def test_the_dashboard_and_its_client_are_served(server: str, path: str) -> None:
    assert httpx.get(f"{server}/{path}").status_code == 200
