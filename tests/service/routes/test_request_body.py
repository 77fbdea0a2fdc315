"""Bodies of requests, compressed or not, and never larger than their limit."""

import asyncio
import gzip
import itertools
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from skiprnn_service.errors import ContentTypeError, MessageError, TooLargeError
from skiprnn_service.routes import request_body


def received(chunks: list[bytes], limit: int, **headers: str) -> bytes:
    """What a route would read."""

    async def stream() -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    messages = stream()
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw}, receive=messages.__anext__)
    return asyncio.run(request_body.read(request, limit=limit, setting="max_request_bytes"))


@given(
    data=st.binary(max_size=2000),
    cuts=st.lists(st.integers(0, 2000), max_size=5),
    how=st.sampled_from(["gzip", "deflate"]),
)
def test_compressed_bodies_are_read_in_whatever_chunks_they_come(
    data: bytes, cuts: list[int], how: str
) -> None:
    packed = gzip.compress(data) if how == "gzip" else zlib.compress(data)
    bounds = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]
    chunks = [packed[a:b] for a, b in itertools.pairwise(bounds)]
    assert received(chunks, 2000, content_encoding=how) == data


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
    for chunks, reason in [
        ([packed[:-1]], "ends early"),
        ([packed, b"more"], "nothing after"),
        ([b"plain"], "not compressed as Content-Encoding says"),
        ([], "ends early"),
    ]:
        with pytest.raises(MessageError, match=reason):
            received(chunks, 10_000, content_encoding="gzip")
    with pytest.raises(ContentTypeError, match="expected gzip, deflate or none, got 'br'"):
        received([], 10_000, content_encoding="br")
