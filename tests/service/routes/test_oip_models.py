"""What the Open Inference Protocol says of models, and the model repository, by tritonclient."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from skiprnn_export import unroll
from skiprnn_service.auth import api_keys
from skiprnn_service.oip.outputs import OUTPUTS
from support.bundles import random_sequence, write_random_bundle
from support.servers import Running, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", hidden=16)
    (folder / "two").mkdir()
    for version in (1, 2):
        write_random_bundle(folder / "two" / f"{version}.onnx", cell="gru", seed=version)
    with serving(folder) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


def tensor(x: np.ndarray[Any, Any]) -> triton.InferInput:
    return triton.InferInput("x", list(x.shape), "FP32").set_data_from_numpy(x)


def test_server_and_models_describe_themselves(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("watch")
    assert client.is_model_ready("two", "1")
    assert not client.is_model_ready("none")
    about = client.get_server_metadata()
    assert about["name"] == "skiprnn"
    assert {"binary_tensor_data", "sequence", "sequence(string_id)"} <= set(about["extensions"])
    model = client.get_model_metadata("two")
    assert model["versions"] == ["1", "2"]
    assert model["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, -1, 3]}
    assert [output["name"] for output in model["outputs"]] == list(OUTPUTS)
    config = client.get_model_config("two", "2")
    assert config["sequence_batching"]["max_sequence_idle_microseconds"] == 300_000_000
    assert [output["dims"] for output in config["output"]][:2] == [[2], [1]]


@pytest.mark.parametrize("binary", [True, False])
def test_perf_analyzer_finds_all_that_it_sends(client: triton.InferenceServerClient, binary: bool) -> None:
    """What it does with `--shape x:5,3`: every input of the configuration, each in its shape and never another one.

    It sends sequences, since the configuration has sequence_batching; of length 1 they are single requests.
    """
    metadata, config = client.get_model_metadata("watch"), client.get_model_config("watch")
    for described, configured in zip(metadata["inputs"], config["input"], strict=True):
        assert described["name"] == configured["name"]
        assert described["shape"] == [-1, *configured["dims"]], "the batch comes before the dimensions"
    inputs = []
    for configured in config["input"]:
        shape = [1, *({"x": (5, 3)}.get(configured["name"], configured["dims"]))]
        datatype = configured["data_type"].removeprefix("TYPE_")
        values = np.zeros(shape, np.float32 if datatype == "FP32" else np.int64)
        made = triton.InferInput(configured["name"], shape, datatype)
        inputs.append(made.set_data_from_numpy(values, binary_data=binary))
    outputs = [
        triton.InferRequestedOutput(output["name"], binary_data=binary) for output in metadata["outputs"]
    ]
    for sequence, length in ((101, 20), (102, 1)):
        for n in range(length):
            flags = {"sequence_start": n == 0, "sequence_end": n == length - 1}
            result = client.infer("watch", inputs, outputs=outputs, sequence_id=sequence, **flags)
            assert result.as_numpy("y_steps").shape == (1, 5, 2)
    assert client.infer("watch", inputs, outputs=outputs).as_numpy("y").shape == (1, 2)
    (stats,) = client.get_inference_statistics("watch")["model_stats"]
    phases = ("queue", "compute_input", "compute_infer", "compute_output")
    durations = [stats["inference_stats"][name] for name in ("success", *phases)]
    assert len({duration["count"] for duration in durations}) == 1
    assert durations[0]["ns"] == sum(duration["ns"] for duration in durations[1:])
    assert all(stats["inference_stats"][name]["ns"] for name in phases[1:])


def test_an_unknown_model_is_not_found(client: triton.InferenceServerClient) -> None:
    for ask in (client.get_model_metadata, client.get_model_config, client.get_inference_statistics):
        with pytest.raises(InferenceServerException, match="expected one of") as raised:
            ask("none")
        assert raised.value.status() == "404"


def test_statistics_count_requests_sequences_and_failures(client: triton.InferenceServerClient) -> None:

    def stats() -> dict[str, Any]:
        (found,) = client.get_inference_statistics("watch", "1")["model_stats"]
        return found  # type: ignore[no-any-return]

    before = stats()
    client.infer("watch", [tensor(np.zeros((3, 4, 3), np.float32))])
    with pytest.raises(InferenceServerException):
        client.infer("watch", [tensor(np.zeros((1, 1, 2), np.float32))])
    after = stats()
    assert after["inference_count"] - before["inference_count"] == 3
    success, fail = after["inference_stats"]["success"], after["inference_stats"]["fail"]
    assert success["count"] - before["inference_stats"]["success"]["count"] == 1
    assert success["ns"] > before["inference_stats"]["success"]["ns"]
    assert fail["count"] - before["inference_stats"]["fail"]["count"] == 1
    assert after["last_inference"] > 0
    assert {found["name"] for found in client.get_inference_statistics()["model_stats"]} == {
        "watch",
        "two",
    }
    assert len(client.get_inference_statistics("two")["model_stats"]) == 2


# -- the repository


def test_models_are_loaded_unloaded_and_listed(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "a.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with serving(tmp_path) as server, triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:

        def states() -> dict[str, tuple[str, bool]]:
            index = client.get_model_repository_index()
            return {entry["name"]: (entry["state"], bool(entry["reason"])) for entry in index}

        assert states() == {"a": ("READY", False), "broken": ("UNAVAILABLE", True)}
        bundle = write_random_bundle(tmp_path / "b.onnx", seed=5)
        client.load_model("b")
        x = random_sequence(bundle, 20)[np.newaxis]
        y = client.infer("b", [tensor(x)]).as_numpy("y")
        np.testing.assert_array_equal(y, unroll(bundle, x[0]).y[-1:])
        client.unload_model("a")
        assert states()["a"] == ("UNAVAILABLE", True)
        assert not client.is_model_ready("a")
        with pytest.raises(InferenceServerException, match="was unloaded"):
            client.infer("a", [tensor(x)])
        for name in ("none", "broken"):
            with pytest.raises(InferenceServerException, match=f"failed to load '{name}'") as raised:
                client.load_model(name)
            assert raised.value.status() == "400"
        with pytest.raises(InferenceServerException, match="parameters: expected none"):
            client.load_model("a", config="{}")
        client.load_model("a")
        assert client.is_model_ready("a")
        ready = httpx.post(f"{server.http}/v2/repository/index", json={"ready": True}).json()
        assert [entry["name"] for entry in ready] == ["a", "b"]


def test_only_admins_change_models(tmp_path: Path) -> None:
    keys = {name: api_keys.add(tmp_path / "keys", name, (name,)).text for name in ("score", "admin")}
    (tmp_path / "models").mkdir()
    write_random_bundle(tmp_path / "models" / "watch.onnx")
    with (
        serving(tmp_path / "models", api_keys_file=tmp_path / "keys") as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        for change in (client.load_model, client.unload_model):
            with pytest.raises(InferenceServerException, match="expected the scope 'admin'"):
                change("watch", headers={"Authorization": f"Bearer {keys['score']}"})
        root = {"Authorization": f"Bearer {keys['admin']}"}
        client.load_model("watch", headers=root)
        assert client.get_model_repository_index(headers=root)[0]["state"] == "READY"
