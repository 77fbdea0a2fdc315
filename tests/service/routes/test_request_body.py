"""Bodies of requests, compressed or not, and never larger than their limit."""

import asyncio
import contextlib
import gzip
import itertools
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from skiprnn_service.errors import ContentTypeError, MessageError, RequestTimeoutError, TooLargeError
from skiprnn_service.routes import request_body


def received(
    chunks: list[bytes], limit: int, pause: float = 0, admit: Any = contextlib.nullcontext, **headers: str
) -> bytes:
    """What a route would read; a client pauses so many seconds before each chunk."""

    async def stream() -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks:
            await asyncio.sleep(pause)
            yield {"type": "http.request", "body": chunk, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    messages = stream()
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw}, receive=messages.__anext__)
    return asyncio.run(request_body.read(request, limit=limit, setting="max_request_bytes", admit=admit))


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


def test_a_large_body_must_not_come_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "_PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(request_body, "_SLOWEST", 1 << 40)
    large, few = bytes(request_body.SMALL + 1), [b"a"] * 20
    with pytest.raises(RequestTimeoutError, match="bytes a second at least, got fewer"):
        received([large, *few], 1 << 30, pause=0.005)
    assert received(few, 1 << 30, pause=0.005) == b"a" * 20  # a small one holds no place
    assert len(received([large, *few], 1 << 30)) == len(large) + 20


def test_a_large_body_is_admitted_before_its_second_mebibyte() -> None:
    class RejectedError(Exception):
        pass

    @contextlib.contextmanager
    def admit() -> Iterator[None]:
        admitted.append(True)
        yield
        raise RejectedError

    admitted = list[bool]()
    half = bytes(request_body.SMALL // 2)
    assert len(received([half, half], 1 << 30, admit=admit)) == request_body.SMALL
    assert not admitted
    with pytest.raises(RejectedError):
        received([half, half, b"a", half, half], 1 << 30, admit=admit)
    assert admitted == [True]
