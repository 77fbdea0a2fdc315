"""The OpenAPI document has what generators of clients need, and the answers are what it says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from skiprnn_service.app import create_app
from skiprnn_service.routes import answers
from skiprnn_service.settings import Settings
from support.bundles import write_random_bundle
from support.servers import Running, serving

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = [
    pytest.param(operation, id=f"{method} {path}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", name="watch")
    (folder / "broken.onnx").write_bytes(b"no model")
    with serving(folder) as running:
        yield running


def is_a_component(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "array":
        return is_a_component(schema["items"])
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return name in DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_answer_in_json_is_a_component(operation: dict[str, Any]) -> None:
    assert {"200", "4XX", "5XX"} <= operation["responses"].keys()
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type == "application/json":
                assert is_a_component(content["schema"]), status
            else:
                assert content["schema"]["type"] == "string", status
        if status.endswith("XX"):
            assert response["content"]["application/json"]["schema"]["$ref"].endswith("/Error")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_parameter_of_a_path_may_be_null(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            assert (parameter["required"], parameter["schema"]["type"]) == (True, "string")


def test_a_key_or_a_token_is_the_security_scheme_and_may_be_left_out() -> None:
    assert DOCUMENT["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert DOCUMENT["security"] == [{"bearer": []}, {}]


INFER = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2, 3], "data": [0.0] * 6}], "id": "7"}


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/v1/models", None, answers.Models),
        ("/v1/models/watch", None, answers.Model),
        ("/v1/models/none", None, answers.Error),
        ("/v1/models/watch/score", {"sequences": [[[0.0] * 3] * 9]}, answers.Scores),
        ("/v1/models/watch/score?updates=false", {"sequences": [[[0.0] * 3]]}, answers.Scores),
        ("/v1/counters", None, answers.Counters),
        ("/v1/streams", None, answers.Streams),
        ("/v1/tickets", {}, answers.Ticket),
        ("/v2", None, answers.Server),
        ("/v2/health/live", None, answers.Live),
        ("/v2/health/ready", None, answers.Ready),
        ("/v2/models/watch", None, answers.ModelMetadata),
        ("/v2/models/watch/config", None, answers.ModelConfig),
        ("/v2/models/stats", None, answers.Statistics),
        ("/v2/models/watch/infer", INFER, answers.Inference),
        ("/v2/repository/index", {}, list[answers.IndexEntry]),
    ],
)
def test_answers_have_the_fields_that_the_document_says_and_no_others(
    server: Running, path: str, body: Any, answer: Any
) -> None:
    request = httpx.post(server.http + path, json=body) if body is not None else httpx.get(server.http + path)
    known: Any = TypeAdapter(answer).validate_json(request.content)
    assert known == request.json(), "pydantic leaves out what it does not know"
