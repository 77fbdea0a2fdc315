"""A browser for all tests of the page, and a server with a model for each of its sources."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.browser import chromium
from support.bundles import write_random_bundle
from support.programs import need
from support.servers import Running, serving


@pytest.fixture(scope="module")  # not longer: while it is open no other event loop can run in this thread
def browser() -> Iterator[Browser]:
    with chromium(need("chromium")) as browser:
        yield browser


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`watch` reads a sixteenth of the samples of six channels, `digits` one of two or three pixels, `adding` pairs."""
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(
        folder / "watch.onnx", features=6, outputs=7, hidden=16, gate_bias=-5, sample_rate=50.0
    )
    write_random_bundle(folder / "digits.onnx", features=1, outputs=10)
    write_random_bundle(folder / "adding.onnx", features=2, outputs=1, task="sequence_regression")
    return folder


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Running]:
    with serving(models) as running:
        yield running
