"""Tensors as bytes: what is written is read again, and whatever comes is an array or a refusal, never another error."""

import asyncio
import gzip
import itertools
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies
from numpy.typing import NDArray
from starlette.requests import Request

from skiprnn_service.errors import ClientError, ContentTypeError, MessageError, TooLargeError
from skiprnn_service.oip.tensors import DTYPES, decode, encode, json_length
from skiprnn_service.routes import request_body as http_body

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


# -- bodies


def received(pieces: list[bytes], limit: int, **headers: str) -> bytes:
    """What a route would read."""

    async def stream() -> AsyncIterator[dict[str, Any]]:
        for piece in pieces:
            yield {"type": "http.request", "body": piece, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    messages = stream()
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw}, receive=messages.__anext__)
    return asyncio.run(http_body.read(request, limit=limit, setting="max_request_bytes"))


@given(
    data=st.binary(max_size=2000),
    cuts=st.lists(st.integers(0, 2000), max_size=5),
    how=st.sampled_from(["gzip", "deflate"]),
)
def test_compressed_bodies_are_read_in_whatever_pieces_they_come(
    data: bytes, cuts: list[int], how: str
) -> None:
    packed = gzip.compress(data) if how == "gzip" else zlib.compress(data)
    bounds = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    pieces = [packed[a:b] for a, b in itertools.pairwise(bounds)]
    assert received(pieces, 2000, content_encoding=how) == data


@pytest.mark.parametrize("how", ["gzip", "deflate", "identity"])
def test_a_body_is_refused_at_the_first_byte_too_many(how: str) -> None:
    data = bytes(1_000_001)
    packed = {"gzip": gzip.compress(data), "deflate": zlib.compress(data), "identity": data}[how]
    assert len(received([packed], 1_000_001, content_encoding=how)) == 1_000_001
    with pytest.raises(TooLargeError, match=r"1000000 bytes at most \(max_request_bytes\)"):
        received([packed], 1_000_000, content_encoding=how)
    with pytest.raises(TooLargeError, match="got 2000000 bytes"):
        received([], 1_000_000, content_length="2000000")


def test_bodies_that_are_not_compressed_as_they_say_are_refused() -> None:
    packed = gzip.compress(b"hello" * 100)
    for pieces, reason in [
        ([packed[:-1]], "ends early"),
        ([packed, b"more"], "nothing behind"),
        ([b"plain"], "not compressed as Content-Encoding says"),
        ([], "ends early"),
    ]:
        with pytest.raises(MessageError, match=reason):
            received(pieces, 10_000, content_encoding="gzip")
    with pytest.raises(ContentTypeError, match="expected gzip, deflate or none, got 'br'"):
        received([], 10_000, content_encoding="br")
