"""Requests made from the OpenAPI schema: nothing that fits it, or nearly does, is answered with a server error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from skiprnn_service.app import create_app
from skiprnn_service.settings import Settings
from support.bundles import write_random_bundle
from support.servers import Running, serving

MEANT = {503}  # unloaded models, a full server: the right answers
SCHEMA = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
OPERATIONS: list[Any] = [result.ok() for result in SCHEMA.get_all_operations()]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", name="watch")
    with serving(folder) as running:
        yield running


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_request_is_a_server_error(server: Running, operation: Any) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        response = case.call(base_url=server.http)
        assert response.status_code < 500 or response.status_code in MEANT, response.text
        assert response.status_code < 400 or response.json().keys() == {"error", "code"}, response.text

    ask()
    assert httpx.get(f"{server.http}/v2/health/live").status_code == 200
