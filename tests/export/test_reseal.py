"""A bundle that another tool changed is checked, run and sealed again, and says what it was made from."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static

from skiprnn_export import BundleError, parse, read, unroll
from skiprnn_export.reseal import reseal
from support.bundles import random_bundle, random_sequence, write_random_bundle
from support.graphs import depends_on_neighbours

pytestmark = pytest.mark.filterwarnings("ignore")  # of the quantiser, about itself


class Noise(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        shapes = {"x": (1, 3), "state": (1, 16)}
        self._feeds = iter(
            [
                {name: generator.normal(size=shape).astype("f4") for name, shape in shapes.items()}
                for _ in range(20)
            ]
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)


def quantised(path: Path) -> Path:
    write_random_bundle(path / "m.onnx")
    quantize_static(path / "m.onnx", path / "q.onnx", Noise(), quant_format=QuantFormat.QDQ)
    return path / "q.onnx"


def test_a_quantised_bundle_is_a_bundle_again_and_names_its_original(tmp_path: Path) -> None:
    changed = quantised(tmp_path)
    with pytest.raises(BundleError, match="sha256: expected"):
        read(changed)
    report = reseal(changed, tmp_path / "models" / "q.onnx")
    original, again = read(tmp_path / "m.onnx"), read(tmp_path / "models" / "q.onnx")
    assert again.model == report.bundle.model
    assert again.info.original_sha256 == original.sha256 != again.sha256
    assert again.info.to_json() == original.info.to_json() | {"original_sha256": original.sha256}
    assert report.row_difference <= 1e-5
    x = random_sequence(original, 200)
    assert 0 < abs(unroll(again, x).y[0] - unroll(original, x).y[0]).max() < 0.1


def test_the_original_is_that_of_the_first_change(tmp_path: Path) -> None:
    original = write_random_bundle(tmp_path / "m.onnx")
    for _ in range(2):
        model = onnx.load(tmp_path / "m.onnx")
        model.graph.node[0].name += "x"
        onnx.save(model, tmp_path / "m.onnx")
        reseal(tmp_path / "m.onnx", tmp_path / "m.onnx")
    assert read(tmp_path / "m.onnx").info.original_sha256 == original.sha256


def test_a_scale_of_the_whole_batch_is_rejected_with_the_way_out(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    quantize_dynamic(tmp_path / "m.onnx", tmp_path / "q.onnx")
    with pytest.raises(BundleError, match=r"got DynamicQuantizeLinear .* quantise statically"):
        reseal(tmp_path / "q.onnx", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def changed_by(path: Path, model: onnx.ModelProto) -> Path:
    bundle = write_random_bundle(path / "m.onnx")
    model.metadata_props.extend(onnx.load_model_from_string(bundle.model).metadata_props)
    onnx.save(model, path / "changed.onnx")
    return path / "changed.onnx"


def scaled(factor: float) -> onnx.ModelProto:
    """update_prob times a factor."""
    model, _ = random_bundle()
    for node in model.graph.node:
        node.output[:] = ["before" if name == "update_prob" else name for name in node.output]
    model.graph.initializer.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
    model.graph.node.append(helper.make_node("Mul", ["before", "factor"], ["update_prob"]))
    return model


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (depends_on_neighbours(random_bundle()[0]), "a row's result not to depend on the others"),
        (scaled(9.0), r"expected update_prob in \[0, 1\], got \["),
        (scaled(float("nan")), "expected finite outputs"),
    ],
    ids=["neighbours", "not a probability", "not a number"],
)
def test_what_no_step_gives_is_rejected(tmp_path: Path, model: onnx.ModelProto, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        reseal(changed_by(tmp_path, model), tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_a_constant_gate_that_was_moved_is_rejected(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx", period=3)  # its gate is a random one
    model = onnx.load(tmp_path / "m.onnx")
    model.producer_name = "another tool"
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ValueError, match="expected an update at every 3 samples, as `period` says, got"):
        reseal(tmp_path / "changed.onnx", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_a_whole_bundle_and_a_file_without_a_description_are_rejected(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "m.onnx")
    with pytest.raises(BundleError, match=r"m\.onnx: expected a bundle that was changed"):
        reseal(tmp_path / "m.onnx", tmp_path / "m.onnx")
    assert parse((tmp_path / "m.onnx").read_bytes(), source="test").sha256 == bundle.sha256
    onnx.save(random_bundle()[0], tmp_path / "bare.onnx")
    with pytest.raises(BundleError, match=r"bare\.onnx: expected one metadata property 'skiprnn', found 0"):
        reseal(tmp_path / "bare.onnx", tmp_path / "out.onnx")
