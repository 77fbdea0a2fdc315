"""What `make docker-test` needs: an engine, the image, and the shipped recording as many people would stream it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from skiprnn_export import open_session, read, unroll
from skiprnn_service.settings import SHIPPED_MODELS
from support.compose import Project, public_images
from support.docker import ROOT, Engine, engine
from support.durable_stream import Samples

STREAMS = 24


@pytest.fixture(scope="session")
def container_engine() -> Iterator[Engine]:
    folder = os.environ.get("SKIPRNN_ENGINE_FOLDER", f"{tempfile.gettempdir()}/skiprnn-engine")
    subprocess.run([ROOT / "deploy/make_secrets.sh"], check=True)
    with engine(Path(folder), public_images()) as running:
        yield running


@pytest.fixture(scope="session")
def image(container_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the CPU image, which compose has just built."""
    project = Project(container_engine, tmp_path_factory.mktemp("build"))
    project.run("build", "skiprnn")
    return project.image("skiprnn")


@pytest.fixture(scope="session")
def recordings() -> list[Samples]:
    """The shipped recording, begun at different samples: each [T, F]."""
    path = SHIPPED_MODELS.parent / "page/exercise.csv"
    recording = np.loadtxt(path, np.float32, delimiter=",", skiprows=1)
    return [np.roll(recording, 79 * number, axis=0) for number in range(STREAMS)]


@pytest.fixture(scope="session")
def expected(recordings: list[Samples]) -> list[dict[int, bytes]]:
    """The offline answer to each recording: index of an update → bytes of y."""
    bundle = read(SHIPPED_MODELS / "watch.onnx")
    session = open_session(bundle.model)
    answers = [unroll(bundle, x, session=session) for x in recordings]
    return [dict(zip(a.t.tolist(), (y.astype("<f4").tobytes() for y in a.y), strict=True)) for a in answers]
