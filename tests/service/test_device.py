"""Asking for a GPU where there is none: the server says so, and does not go on without it."""

from pathlib import Path

import pytest

from skiprnn_service.engine.onnx_runtime import CUDA
from skiprnn_service.errors import ModelError
from skiprnn_service.models.repository import ModelRepository
from support.bundles import write_random_bundle
from support.servers import serving


def test_a_server_that_cannot_have_the_device_it_was_asked_for_does_not_start(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    with (
        pytest.raises(ModelError, match=r"CUDAExecutionProvider.*skiprnn\[gpu\]"),
        serving(tmp_path, device="cuda"),
    ):
        pass


def test_nor_is_a_model_served_that_cannot_have_it(tmp_path: Path) -> None:
    """As where the provider is installed, but finds no driver."""
    write_random_bundle(tmp_path / "watch.onnx")
    folder = ModelRepository(tmp_path, providers=CUDA)
    folder.load()
    assert not folder.models
    assert "CUDAExecutionProvider" in folder.failures["watch", "1"]
