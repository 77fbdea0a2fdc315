"""Tensors as bytes: what is written is read again, and whatever comes is an array or a refusal, never another error."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies
from numpy.typing import NDArray

from skiprnn_service.errors import ClientError, MessageError
from skiprnn_service.oip.tensors import DTYPES, decode, encode, json_length

SHAPES = numpy_strategies.array_shapes(min_dims=1, max_dims=4, max_side=5)
ARRAYS: st.SearchStrategy[NDArray[Any]] = st.one_of(
    numpy_strategies.arrays(
        np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    ),
    numpy_strategies.arrays(np.int64, SHAPES),
    numpy_strategies.arrays(np.bool_, SHAPES),
)


@given(arrays=st.lists(ARRAYS, max_size=4), data=st.data())
def test_what_is_written_is_read_again(arrays: list[NDArray[Any]], data: st.DataObject) -> None:
    tensors = {f"t{i}": array for i, array in enumerate(arrays)}
    binary = [name for name in tensors if data.draw(st.booleans())]
    body, length = encode({"id": "7"}, tensors, binary)
    assert (length is None) is (not binary)
    length = len(body) if length is None else length
    said = json.loads(body[:length])
    said["inputs"] = said.pop("outputs")  # the same form both ways
    head = json.dumps(said).encode()
    asked = decode(head + body[length:], len(head))
    assert asked.id == "7"
    assert list(asked.inputs) == list(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(asked.inputs[name], array, strict=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["x", "lengths"]) | JSON,
        "shape": st.lists(st.integers(-1, 4), max_size=4) | JSON,
        "datatype": st.sampled_from([*DTYPES, "BYTES"]) | JSON,
        "data": st.lists(st.floats(width=32) | st.integers(), max_size=8) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 64) | JSON})
        | JSON,
    },
)


@given(
    body=st.fixed_dictionaries(
        {"inputs": st.lists(TENSOR, max_size=3) | JSON},
        optional={"id": JSON, "outputs": JSON, "parameters": JSON},
    ),
    rest=st.binary(max_size=64),
)
def test_whatever_comes_is_a_request_or_refused(body: dict[str, Any], rest: bytes) -> None:
    head = json.dumps(body).encode()
    try:
        asked = decode(head + rest, len(head))
    except ClientError:
        return
    assert all(array.dtype in map(np.dtype, DTYPES.values()) for array in asked.inputs.values())


def test_a_shape_cannot_promise_more_than_came() -> None:
    for shape in ([2**62, 2**62], [2**40, 3], [-1, -3], [1] * 9):
        tensor = {"name": "x", "datatype": "FP32", "shape": shape, "data": [1.0, 2.0, 3.0]}
        with pytest.raises(ClientError, match="x: expected"):
            decode(head := json.dumps({"inputs": [tensor]}).encode(), len(head))


@pytest.mark.parametrize("header", ["0", "-1", "1e3", "", "²", "9" * 40, "12"])
def test_a_length_header_that_cannot_be_is_refused(header: str) -> None:
    with pytest.raises(MessageError, match="Inference-Header-Content-Length: expected 1 to 11 bytes"):
        json_length(header, b"eleven byte")


def test_null_is_taken_as_absent() -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0], "parameters": None}
    y = {"name": "y", "parameters": None}
    given = {"id": None, "inputs": [x], "outputs": [y], "parameters": None}
    request = decode(body := json.dumps(given).encode(), len(body))
    assert (request.id, request.parameters, list(request.inputs)) == ("", {}, ["x"])
    assert request.outputs == [("y", False)]
    nothing = decode(body := b'{"inputs": null, "outputs": null}', len(body))
    assert (nothing.inputs, nothing.outputs) == ({}, [])


def test_a_name_that_comes_twice_is_rejected() -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}
    with pytest.raises(MessageError, match="inputs: expected each name once, got 'x' twice"):
        decode(body := json.dumps({"inputs": [x, x]}).encode(), len(body))
