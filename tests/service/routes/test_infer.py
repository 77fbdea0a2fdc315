"""The Open Inference Protocol v2, driven by tritonclient as it comes: the bits of the offline unroll."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from skiprnn_export import Bundle, open_session, read, unroll
from skiprnn_service.auth import api_keys
from skiprnn_service.oip.outputs import OUTPUTS
from support.bundles import random_sequence, write_random_bundle
from support.servers import Running, serving

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", hidden=16, features=3, outputs=2)
    (folder / "two").mkdir()
    for version in (1, 2):
        write_random_bundle(folder / "two" / f"{version}.onnx", cell="gru", seed=version)
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Running]:
    with serving(models) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


@pytest.fixture(scope="module")
def bundle(models: Path) -> Bundle:
    return read(models / "watch.onnx")


def tensor(array: NDArray[Any], name: str = "x", *, binary: bool = True) -> triton.InferInput:
    datatype = {"f": "FP32", "i": "INT64"}[array.dtype.kind]
    found = triton.InferInput(name, list(array.shape), datatype)
    return found.set_data_from_numpy(array, binary_data=binary)


def batch(bundle: Bundle, lengths: list[int]) -> Samples:
    x = np.full((len(lengths), max(lengths), 3), np.nan, np.float32)
    for i, length in enumerate(lengths):
        x[i, :length] = random_sequence(bundle, length, seed=i)
    return x


def expected(bundle: Bundle, x: Samples, lengths: list[int], **options: Any) -> dict[str, NDArray[Any]]:
    """All outputs, by the offline unroll."""
    session = open_session(bundle.model)
    done = [unroll(bundle, x[i, :n], session=session, **options) for i, n in enumerate(lengths)]
    steps = np.arange(x.shape[1])
    return {
        "y": np.stack([one.y[-1] for one in done]),
        "wake": np.array([one.wake for one in done]),
        "update_count": np.array([len(one.t) for one in done]),
        "update_t": np.concatenate([one.t for one in done]),
        "update_y": np.concatenate([one.y for one in done]),
        "update_mask": np.stack([np.isin(steps, one.t) for one in done]),
        "y_steps": np.stack([one.y[np.searchsorted(one.t, steps, "right") - 1] for one in done]),
    }


def assert_equal(result: Any, wanted: dict[str, NDArray[Any]]) -> None:
    for name, array in wanted.items():
        np.testing.assert_array_equal(result.as_numpy(name), array, strict=True, err_msg=name)


# -- whole batches


@pytest.mark.parametrize("sent", ["binary", "json"])
@pytest.mark.parametrize("answered", ["binary", "json"])
def test_a_batch_of_ragged_sequences_has_the_bits_of_the_offline_unroll(
    client: triton.InferenceServerClient, bundle: Bundle, sent: str, answered: str
) -> None:
    lengths = [80, 1, 33, 64, 7]
    x = np.nan_to_num(batch(bundle, lengths))  # JSON has no NaN
    inputs = [
        tensor(x, binary=sent == "binary"),
        tensor(np.array(lengths), "lengths", binary=sent == "binary"),
    ]
    outputs = [triton.InferRequestedOutput(name, binary_data=answered == "binary") for name in OUTPUTS]
    result = client.infer("watch", inputs, outputs=outputs, request_id="7")
    assert_equal(result, expected(bundle, x, lengths))
    said = result.get_response()
    assert (said["model_name"], said["model_version"], said["id"]) == ("watch", "1", "7")


def test_what_lies_behind_a_sequence_is_not_looked_at(
    client: triton.InferenceServerClient, bundle: Bundle
) -> None:
    lengths = [5, 40]
    x = batch(bundle, lengths)  # padded with NaN
    result = client.infer("watch", [tensor(x), tensor(np.array(lengths), "lengths")])
    assert_equal(result, expected(bundle, x, lengths))


def test_only_the_outputs_that_are_asked_for_come(
    client: triton.InferenceServerClient, bundle: Bundle
) -> None:
    outputs = [
        triton.InferRequestedOutput("update_mask", binary_data=False),
        triton.InferRequestedOutput("y"),
    ]
    result = client.infer("watch", [tensor(batch(bundle, [30]))], outputs=outputs)
    mask, y = result.get_response()["outputs"]
    assert (mask["name"], mask["datatype"], len(mask["data"])) == ("update_mask", "BOOL", 30)
    assert (y["name"], y["parameters"]) == ("y", {"binary_data_size": 8})


def test_a_version_and_a_threshold_are_honoured(client: triton.InferenceServerClient, models: Path) -> None:
    bundle = read(models / "two" / "1.onnx")
    x = batch(bundle, [200, 200])
    result = client.infer("two", [tensor(x)], model_version="1", parameters={"threshold": 0.9})
    assert_equal(result, expected(bundle, x, [200, 200], threshold=0.9))
    assert client.infer("two", [tensor(x)]).get_response()["model_version"] == "2"


@pytest.mark.parametrize("sent", [None, "gzip", "deflate"])
@pytest.mark.parametrize("answered", [None, "gzip", "deflate"])
def test_bodies_may_be_compressed_both_ways(
    client: triton.InferenceServerClient, bundle: Bundle, sent: str | None, answered: str | None
) -> None:
    x = batch(bundle, [500])
    result = client.infer(
        "watch",
        [tensor(x)],
        request_compression_algorithm=sent,
        response_compression_algorithm=answered,
        priority=3,
        timeout=1_000_000,
    )
    assert_equal(result, expected(bundle, x, [500]))


def test_an_answer_is_not_compressed_for_a_client_that_takes_no_compression(
    server: Running, bundle: Bundle
) -> None:
    url, x = f"{server.http}/v2/models/watch/infer", batch(bundle, [200])
    body = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": x.shape, "data": x.ravel().tolist()}],
        "id": None,
        "parameters": None,
    }
    for accepted, encoding in (("gzip;q=0", None), ("gzip;q=0.2, deflate;q=0.4", "deflate")):
        answer = httpx.post(url, json=body, headers={"Accept-Encoding": accepted})
        assert answer.status_code == 200, answer.text
        assert answer.headers.get("Content-Encoding") == encoding
        assert "id" not in answer.json()


async def test_the_asynchronous_client_gets_the_same(server: Running, bundle: Bundle) -> None:
    x = batch(bundle, [100, 50])
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        assert await client.is_server_ready()
        assert (await client.get_model_metadata("watch"))["platform"] == "skiprnn"
        for binary in (True, False):
            made = triton.InferInput("x", list(x.shape), "FP32")
            made.set_data_from_numpy(np.nan_to_num(x), binary_data=binary)
            results = await asyncio.gather(*[client.infer("watch", [made]) for _ in range(8)])
            for result in results:
                assert_equal(result, expected(bundle, np.nan_to_num(x), [100, 100]))


def test_what_another_client_may_send_is_understood(server: Running, bundle: Bundle) -> None:
    x = random_sequence(bundle, 4)
    body = {"inputs": [{"name": "x", "shape": [1, 4, 3], "datatype": "FP32", "data": [x.tolist()]}]}
    url = f"{server.http}/v2/models/watch/infer"
    said = httpx.post(url, json=body).json()  # nested data, JSON both ways, no outputs named
    assert [output["name"] for output in said["outputs"]] == list(OUTPUTS)
    y = np.array(said["outputs"][0]["data"], np.float32)
    np.testing.assert_array_equal(y, unroll(bundle, x).y[-1])


# -- refusals


def refused(client: triton.InferenceServerClient, *inputs: Any, **options: Any) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as raised:
        client.infer(options.pop("model", "watch"), list(inputs), **options)
    return raised.value


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((1, 4, 2), np.float32), r"x: expected [N, T, 3] with N ≥ 1 and T ≥ 1, got shape [1, 4, 2]"),
        (np.zeros((4, 3), np.float32), "got shape [4, 3]"),
        (np.zeros((0, 4, 3), np.float32), "got shape [0, 4, 3]"),
        (np.zeros((4, 0, 3), np.float32), "got shape [4, 0, 3]"),
        (np.zeros((1, 4, 3), np.int64), "x: expected float32, got int64"),
        (np.full((2, 4, 3), np.nan, np.float32), "sequence 0, sample 0: expected finite numbers"),
    ],
)
def test_a_batch_that_does_not_fit_is_a_bad_request(
    client: triton.InferenceServerClient, x: NDArray[Any], reason: str
) -> None:
    error = refused(client, tensor(x))
    assert reason in error.message()
    assert error.status() == "400"


@pytest.mark.parametrize("lengths", [[0, 4], [4, 5], [4], [[4, 4]]])
def test_lengths_that_do_not_fit_are_a_bad_request(
    client: triton.InferenceServerClient, lengths: list[Any]
) -> None:
    error = refused(client, tensor(np.zeros((2, 4, 3), np.float32)), tensor(np.array(lengths), "lengths"))
    assert "lengths: expected [2] whole numbers from 1 to 4" in error.message()


def test_unknown_names_and_extensions_that_are_not_offered_are_refused(
    client: triton.InferenceServerClient,
) -> None:
    x = tensor(np.zeros((1, 4, 3), np.float32))
    assert (
        "outputs: expected some of"
        in refused(client, x, outputs=[triton.InferRequestedOutput("z")]).message()
    )
    top = [triton.InferRequestedOutput("y", class_count=1)]
    assert "classification is not supported" in refused(client, x, outputs=top).message()
    shared = triton.InferInput("x", [1, 4, 3], "FP32")
    shared.set_shared_memory("region", 48)
    assert "shared_memory_region is not supported" in refused(client, shared).message()
    assert (
        "inputs: expected x and lengths" in refused(client, x, tensor(np.zeros(1, np.float32), "z")).message()
    )
    assert "inputs: expected x, got none" in refused(client).message()
    assert refused(client, x, model="none").status() == "404"
    assert refused(client, x, model_version="3").status() == "404"
    assert "threshold" in refused(client, x, parameters={"threshold": 2}).message()


def test_bodies_and_answers_beyond_their_limits_are_refused(models: Path) -> None:
    with serving(models, max_request_bytes=40_000, max_json_bytes=2_000) as server:
        url = f"{server.http}/v2/models/watch/infer"
        with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            bomb = tensor(np.zeros((1, 100_000, 3), np.float32))
            for compression in (None, "gzip", "deflate"):
                error = refused(client, bomb, request_compression_algorithm=compression)
                assert (error.status(), "max_request_bytes" in error.message()) == ("413", True)
            large = tensor(np.zeros((1, 500, 3), np.float32), binary=False)
            error = refused(client, large)
            assert (error.status(), "send tensors as binary data" in error.message()) == ("413", True)
            steps = tensor(np.zeros((2, 1600, 3), np.float32))
            assert client.infer("watch", [steps], outputs=[triton.InferRequestedOutput("y")])
            wide = tensor(np.zeros((2, 1600, 3), np.float32))
            assert client.infer("watch", [wide]).as_numpy("y_steps").shape == (2, 1600, 2)
        answer = httpx.post(url, content=b"{}", headers={"Content-Encoding": "br"})
        assert (answer.status_code, "expected gzip, deflate" in answer.json()["error"]) == (415, True)


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"", {}, "expected an inference request in JSON"),
        (b"[1]", {}, "expected an inference request in JSON"),
        (b"[" * 100_000, {}, "expected an inference request in JSON"),
        (b'{"inputs": "\xff"}', {}, "expected an inference request in JSON"),
        (b"{}", {"Inference-Header-Content-Length": "3"}, "expected 1 to 2 bytes of JSON, got '3'"),
        (b"{}", {"Inference-Header-Content-Length": "0"}, "expected 1 to 2 bytes of JSON, got '0'"),
        (b"{}", {"Inference-Header-Content-Length": "-1"}, "expected 1 to 2 bytes of JSON"),
        (b"{}more", {"Inference-Header-Content-Length": "2"}, "nothing after the tensors, got 4 bytes"),
        (b"{}", {"Content-Encoding": "gzip"}, "not compressed as Content-Encoding says"),
        (b'{"parameters": {"sequence_id": 1.5}}', {}, "sequence_id: expected a whole number or a string"),
        (b'{"parameters": {"sequence_id": -1}}', {}, "sequence_id: expected 0 to"),
        (b'{"parameters": {"sequence_start": 1}}', {}, "sequence_start: expected true or false"),
        (b'{"parameters": {"sequence_id": "a/b"}}', {}, "stream_id: expected 1 to 128 letters"),
    ],
)
def test_a_body_that_is_no_request_is_refused(
    server: Running, body: bytes, headers: dict[str, str], reason: str
) -> None:
    answer = httpx.post(f"{server.http}/v2/models/watch/infer", content=body, headers=headers)
    assert answer.status_code == 400
    assert reason in json.loads(answer.content)["error"]


# -- who may infer, and whose a sequence is


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    given = {"alice": ("stream",), "anna": ("stream",), "bob": ("score",), "root": ("admin",)}
    return {name: api_keys.add(file, name, scopes).text for name, scopes in given.items()} | {"file": file}


@pytest.fixture(scope="module")
def guarded(keys: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models: Path = tmp_path_factory.mktemp("models")
    write_random_bundle(models / "watch.onnx")
    with serving(models, api_keys_file=keys["file"]) as running:
        yield running


@pytest.fixture
def caller(guarded: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{guarded.port}") as found:
        yield found


def status(caller: triton.InferenceServerClient, key: str | None, **options: Any) -> str:
    """The status of a batch, or of a chunk of a sequence."""
    x = triton.InferInput("x", [1, 1, 3], "FP32").set_data_from_numpy(np.zeros((1, 1, 3), np.float32))
    try:
        caller.infer("watch", [x], headers={"Authorization": f"Bearer {key}"} if key else None, **options)
    except InferenceServerException as error:
        return str(error.status())
    return "200"


def test_batches_need_one_scope_and_sequences_another(
    caller: triton.InferenceServerClient, keys: dict[str, Any]
) -> None:
    one = {"sequence_id": 1, "sequence_start": True, "sequence_end": True}
    assert status(caller, keys["bob"]) == "200"
    assert status(caller, keys["bob"], **one) == "403"
    assert status(caller, keys["alice"]) == "403"
    assert status(caller, keys["alice"], **one) == "200"
    assert status(caller, keys["root"]) == "403"
    assert status(caller, None) == "401"


def test_sequences_of_the_same_id_belong_to_their_principals(
    caller: triton.InferenceServerClient, keys: dict[str, Any]
) -> None:
    assert status(caller, keys["alice"], sequence_id=7, sequence_start=True) == "200"
    assert status(caller, keys["anna"], sequence_id=7) == "400"  # it was never started
    assert status(caller, keys["anna"], sequence_id=7, sequence_start=True) == "200"
    assert status(caller, keys["alice"], sequence_id=7, sequence_end=True) == "200"
    assert status(caller, keys["anna"], sequence_id=7, sequence_end=True) == "200"


def test_strangers_are_refused_before_their_body_is_looked_at(guarded: Running) -> None:
    answer = httpx.post(f"{guarded.http}/v2/models/watch/infer", content=b"no request at all")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
