"""A server that cannot be what its settings say does not start."""

from pathlib import Path

import pytest

from skiprnn_service.errors import ModelError
from support.bundles import write_random_bundle
from support.servers import serving


def test_a_server_that_cannot_have_the_device_it_was_asked_for_does_not_start(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    with (
        pytest.raises(ModelError, match=r"CUDAExecutionProvider.*the extra gpu"),
        serving(tmp_path, device="cuda"),
    ):
        pass
