"""Who may infer, and whose a sequence is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from skiprnn_service.auth import api_keys
from support.bundles import write_random_bundle
from support.servers import Running, serving


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    given = {"alice": ("stream",), "anna": ("stream",), "bob": ("score",), "root": ("admin",)}
    return {name: api_keys.add(file, name, scopes).text for name, scopes in given.items()} | {"file": file}


@pytest.fixture(scope="module")
def server(keys: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(models / "watch.onnx")
    with serving(models, api_keys_file=keys["file"]) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


def infer(client: triton.InferenceServerClient, key: str | None, **options: Any) -> str:
    """The status of a batch, or of a piece of a sequence."""
    x = triton.InferInput("x", [1, 1, 3], "FP32").set_data_from_numpy(np.zeros((1, 1, 3), np.float32))
    try:
        client.infer("watch", [x], headers={"Authorization": f"Bearer {key}"} if key else None, **options)
    except InferenceServerException as error:
        return str(error.status())
    return "200"


def test_batches_need_one_scope_and_sequences_another(
    client: triton.InferenceServerClient, keys: dict[str, Any]
) -> None:
    one = {"sequence_id": 1, "sequence_start": True, "sequence_end": True}
    assert infer(client, keys["bob"]) == "200"
    assert infer(client, keys["bob"], **one) == "403"
    assert infer(client, keys["alice"]) == "403"
    assert infer(client, keys["alice"], **one) == "200"
    assert infer(client, keys["root"]) == "403"
    assert infer(client, None) == "401"


def test_sequences_of_the_same_id_belong_to_their_principals(
    client: triton.InferenceServerClient, keys: dict[str, Any]
) -> None:
    assert infer(client, keys["alice"], sequence_id=7, sequence_start=True) == "200"
    assert infer(client, keys["anna"], sequence_id=7) == "400"  # it was never started
    assert infer(client, keys["anna"], sequence_id=7, sequence_start=True) == "200"
    assert infer(client, keys["alice"], sequence_id=7, sequence_end=True) == "200"
    assert infer(client, keys["anna"], sequence_id=7, sequence_end=True) == "200"


def test_strangers_are_refused_before_their_body_is_looked_at(server: Running) -> None:
    answer = httpx.post(f"{server.http}/v2/models/watch/infer", content=b"no request at all")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_only_admins_change_models(client: triton.InferenceServerClient, keys: dict[str, Any]) -> None:
    for change in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match="expected the scope 'admin'"):
            change("watch", headers={"Authorization": f"Bearer {keys['bob']}"})
    root = {"Authorization": f"Bearer {keys['root']}"}
    client.load_model("watch", headers=root)
    assert client.get_model_repository_index(headers=root)[0]["state"] == "READY"
