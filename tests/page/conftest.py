"""A browser for all tests of the page, and a server with a model for each of its sources."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import skiprnn_service
from skiprnn_export import Feature, write
from support.browser import chromium
from support.bundles import random_bundle, write_random_bundle
from support.programs import need
from support.servers import Running, serving

_RECORDING = Path(skiprnn_service.__file__).parent / "page" / "exercise.csv"
_MOTION = tuple(
    Feature(name, "g" if name[0] == "a" else "rad/s") for name in ("ax", "ay", "az", "gx", "gy", "gz")
)


def _label(t: int) -> str:
    """The truth of a sample of the recording of `watch`: a class, and now and then nothing."""
    return f"c{t // 300}" if t % 300 >= 30 else ""


@pytest.fixture(scope="module")  # not longer: while it is open no other event loop can run in this thread
def browser() -> Iterator[Browser]:
    with chromium(need("chromium")) as browser:
        yield browser


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`watch` updates at a sixteenth of the samples of six channels and has a recording, `digits` at one of a few,
    `adding` takes pairs; `labels` and `values` are of nobody's sensors, and nothing came with them."""
    folder = tmp_path_factory.mktemp("models")
    model, info = random_bundle(features=6, outputs=7, hidden=16, gate_bias=-5, sample_rate=50.0)
    write(folder / "watch.onnx", model, dataclasses.replace(info, features=_MOTION))
    header, *lines = _RECORDING.read_text().splitlines()
    labelled = [f"{line},{_label(t)}" for t, line in enumerate(lines)]
    (folder / "watch.recording.csv").write_text("\n".join([f"{header},label", *labelled]))
    write_random_bundle(folder / "digits.onnx", features=1, outputs=10)
    write_random_bundle(folder / "adding.onnx", features=2, outputs=1, task="sequence_regression")
    write_random_bundle(folder / "labels.onnx", features=6, outputs=3, multi_label=True, sample_rate=50.0)
    write_random_bundle(folder / "values.onnx", features=2, outputs=2, task="sequence_regression")
    return folder


@pytest.fixture(scope="session")
def server(models: Path) -> Iterator[Running]:
    with serving(models) as running:
        yield running
