"""Asking for a GPU where there is none: the server says so, and does not go on without it."""

from pathlib import Path

import httpx

from support.bundles import write_random_bundle
from support.servers import serving


def test_a_model_that_cannot_have_the_device_it_was_asked_for_is_not_served(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    with serving(tmp_path, device="cuda", log_level="error") as server:
        answer = httpx.get(f"{server.http}/v2/health/ready")
        model = httpx.get(f"{server.http}/v1/models/watch")
    assert (answer.status_code, model.status_code) == (503, 503)
    assert "got ['CUDAExecutionProvider']" in answer.json()["failed"]["watch/1"]
