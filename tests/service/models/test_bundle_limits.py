"""A small bundle must not take much of the server that loads it; a step that fails concerns its model alone."""

import logging
import resource
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from skiprnn_export import write
from skiprnn_service.errors import ModelError
from skiprnn_service.models.repository import ModelRepository
from support.bundles import random_bundle, write_random_bundle
from support.graphs import grows_in_the_middle


def loaded(path: Path, *, max_batch: int = 64, max_step_bytes: int = 1 << 30) -> ModelRepository:
    repository = ModelRepository(path, max_batch=max_batch, max_step_bytes=max_step_bytes)
    repository.load()
    return repository


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_bundle_that_grows_with_the_batch_is_rejected_before_anything_is_allocated(tmp_path: Path) -> None:
    """36 KB that took 16 GB at 64 rows."""
    model, info = random_bundle()
    write(tmp_path / "large.onnx", grows_in_the_middle(model, 1 << 12), info)
    write_random_bundle(tmp_path / "good.onnx")
    assert (tmp_path / "large.onnx").stat().st_size < 40_000
    before = peak_bytes()
    repository = loaded(tmp_path)
    assert list(repository.models) == ["good"]
    assert "got 4,29" in repository.failures["large", "1"]
    assert "lower max_batch, or raise max_step_bytes" in repository.failures["large", "1"]
    assert peak_bytes() - before < 1 << 30
    repository.close()


@pytest.mark.parametrize("sizes", [{"features": 4_000}, {"hidden": 4_000, "cell": "gru"}, {"outputs": 4_000}])
def test_wide_inputs_states_and_outputs_count_with_the_rows(tmp_path: Path, sizes: dict[str, object]) -> None:
    write_random_bundle(tmp_path / "wide.onnx", **({"hidden": 2} | sizes))
    limit = 4 * 4_000 * 64
    repository = loaded(tmp_path, max_step_bytes=limit)
    with pytest.raises(ModelError, match=f"expected a step of {limit:,} bytes at most"):
        repository.get("wide")


def test_fewer_rows_or_a_higher_limit_are_the_way_out(tmp_path: Path) -> None:
    model, info = random_bundle()
    write(tmp_path / "m.onnx", grows_in_the_middle(model, 100), info)
    assert loaded(tmp_path, max_step_bytes=1_000_000).failures
    for limits in ({"max_step_bytes": 1_000_000, "max_batch": 4}, {"max_step_bytes": 10_000_000}):
        repository = loaded(tmp_path, **limits)
        assert list(repository.models) == ["m"]
        repository.close()


def always_fails(model: onnx.ModelProto) -> onnx.ModelProto:
    """ONNX Runtime raises at every step: an index out of range."""
    for node in model.graph.node:
        node.output[:] = ["y_before" if name == "y" else name for name in node.output]
    for name, values in {
        "table": np.zeros(2, np.float32),
        "columns": np.array([1]),
        "far": np.array(1e6, np.float32),
    }.items():
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    model.graph.node.extend(
        [
            helper.make_node("ReduceSum", ["x", "columns"], ["sums"], keepdims=1),
            helper.make_node("Add", ["sums", "far"], ["high"]),
            helper.make_node("Cast", ["high"], ["index"], to=onnx.TensorProto.INT64),
            helper.make_node("Gather", ["table", "index"], ["added"]),
            helper.make_node("Add", ["y_before", "added"], ["y"]),
        ]
    )
    return model


def test_a_step_that_always_fails_keeps_no_other_model_from_being_served(tmp_path: Path) -> None:
    model, info = random_bundle()
    write(tmp_path / "fails.onnx", always_fails(model), info)
    write_random_bundle(tmp_path / "good.onnx")
    repository = loaded(tmp_path)
    assert list(repository.models) == ["good"]
    assert "fails.onnx: update step of 'random_lstm'" in repository.failures["fails", "1"]
    assert repository.failed == 1
    repository.close()


async def test_why_nothing_is_served_is_said_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert loaded(tmp_path).nothing_served.endswith("found nothing")
        (tmp_path / "model.pt").touch()
        repository = loaded(tmp_path)
    assert repository.nothing_served in caplog.text
    assert repository.nothing_served.endswith("found ['model.pt']")
    (tmp_path / "bad.onnx").touch()
    await repository.reload()
    assert repository.nothing_served == "none of 1 bundles can be served"
    write_random_bundle(tmp_path / "bad.onnx")
    await repository.reload()
    assert repository.nothing_served == ""
    await repository.unload("bad")
    assert repository.nothing_served == "every model was unloaded: ['bad']"
    repository.close()


async def test_a_broken_file_over_a_served_one_counts_as_failed(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    repository = loaded(tmp_path)
    assert repository.failed == 0
    (tmp_path / "m.onnx").write_bytes(b"half a fi")
    await repository.reload()
    assert (repository.failed, list(repository.models)) == (1, ["m"])
    repository.close()
