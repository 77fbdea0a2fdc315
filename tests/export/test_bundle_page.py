"""docs/reference/bundle.md: its program reads a bundle without our code, and its table has every field."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from skiprnn_export import BundleInfo, parse, unroll
from support.bundles import random_bundle, random_sequence, seal, write_random_bundle

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "bundle.md").read_text(encoding="utf-8")
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]


@pytest.mark.parametrize(
    "kind", [{"cell": "lstm"}, {"cell": "gru", "layers": 2, "threshold": 0.75, "max_skip": 3}]
)
def test_the_program_on_the_page_gives_the_offline_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any]
) -> None:
    bundle = write_random_bundle(tmp_path / "model.onnx", **kind)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    done = unroll(bundle, random_sequence(bundle, 1000))
    assert list(names["outputs"]) == done.t.tolist()
    assert np.array_equal(list(names["outputs"].values()), done.y)
    assert names["t"] == done.wake


def test_the_program_on_the_page_finds_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_random_bundle(tmp_path / "model.onnx")
    edited = bundle.model.replace(b'"max_skip": 1023', b'"max_skip": 1024')
    (tmp_path / "model.onnx").write_bytes(edited)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="damaged"):
        exec(PROGRAM, {})


def test_the_table_has_every_field() -> None:
    _, info = random_bundle()
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert {*info.to_json(), "sha256"} <= described


def test_the_defaults_are_those_of_the_page() -> None:
    model, info = random_bundle()
    optional = {"threshold": 0.5, "max_skip": 1023, "multi_label": False, "sample_rate": None}
    fields = {name: value for name, value in info.to_json().items() if name not in optional}
    read: BundleInfo = parse(seal(model, fields), source="test").info
    assert {name: getattr(read, name) for name in optional} == optional


def test_the_description_stands_where_the_page_says(tmp_path: Path) -> None:
    data = write_random_bundle(tmp_path / "model.onnx").model
    start = data.index(bytes.fromhex("0a07736b6970726e6e12"))
    text = onnx.load_model_from_string(data).metadata_props[0].value
    assert data.endswith(text.encode())
    assert data.index(text.encode()) - start == 10 + 2  # a varint of two bytes: 128 to 16,383
    assert json.loads(text)["format"] == 1
