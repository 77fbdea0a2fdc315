"""The picture at the top of the README is of a real stream."""

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from skiprnn_client import stream_sync
from support.servers import Running

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_stream_picture", IMAGES / "make_stream_picture.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reads_in(svg: str) -> list[float]:
    """Left edges of the raster's marks."""
    root = ET.fromstring(svg)
    return [
        float(mark.attrib["x"])
        for mark in root.iter()
        if mark.tag.endswith("rect") and mark.get("class") == "read"
    ]


def test_it_marks_what_the_server_read_and_nothing_else(script: ModuleType, server: Running) -> None:
    rows = np.loadtxt(script.RECORDING, delimiter=",", skiprows=1)
    updates = [update.t for update in stream_sync(server.url(), rows)]
    shown = [t for t in updates if script.FIRST <= t < script.LAST]
    svg = script.picture(script.stream(server.url()))
    assert reads_in(svg) == [float(f"{script.x_of(t):.1f}") for t in shown]
    assert f"{len(shown)} updates" in svg


def test_the_one_in_the_docs_is_whole_and_small() -> None:
    svg = (IMAGES / "stream.svg").read_text(encoding="utf-8")
    assert len(svg.encode()) < 200_000
    assert f"{len(reads_in(svg))} updates" in svg
    assert "prefers-color-scheme: dark" in svg
