"""Bodies of requests: decompressed as they come, and never larger than a limit.

The limit is on the size after decompression, so a compressed bomb is rejected as soon as it has grown too large, within
a few kilobytes of memory.
"""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from skiprnn_service.errors import ContentTypeError, MessageError, RequestTimeoutError, TooLargeError

_CHUNK = 65_536  # bytes that are decompressed before other work of the loop has its turn
_SLOWEST = 16_384  # bytes a second that a large body comes with: it holds a place in a queue meanwhile
_PATIENCE_SECONDS = 30  # beside that
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits: RFC 1952, RFC 1950


SMALL = 1 << 20  # bytes of a body that is taken at once; a larger one must be admitted first

T = TypeVar("T")


async def read(
    request: Request,
    *,
    limit: int,
    setting: str,
    admit: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
) -> bytes:
    """The whole body, decompressed. Errors as `chunks`, and those of `admit`.

    Args:
        admit: entered before the second mebibyte, and left when the body is there.
    """
    held, size = list[bytes](), 0
    with contextlib.ExitStack() as receiving:
        async for chunk in chunks(request, limit=limit, setting=setting):
            if size <= SMALL < size + len(chunk):
                receiving.enter_context(admit())
            held.append(chunk)
            size += len(chunk)
        return b"".join(held)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`, and cancel it if the client leaves meanwhile. The body has been read. Raises ClientDisconnect."""
    task = asyncio.create_task(work)
    left = asyncio.ensure_future(request.receive())  # nothing else comes after the body
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        left.cancel()
        task.cancel()
        await asyncio.wait((task, left))


async def chunks(request: Request, *, limit: int, setting: str) -> AsyncIterator[bytes]:
    """The body, decompressed, as it comes.

    Args:
        limit: bytes, of the decompressed body.
        setting: the name of the limit.

    Raises:
        TooLargeError: the body is larger.
        ContentTypeError: a Content-Encoding other than gzip and deflate.
        MessageError: it is not compressed as Content-Encoding says, or ends early.
        RequestTimeoutError: a large body comes too slowly.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity" and encoding not in _WINDOW:
        raise ContentTypeError(f"Content-Encoding: expected gzip, deflate or none, got {encoding!r:.50}")
    declared = request.headers.get("content-length", "0")
    size = int(declared) if declared.isascii() and declared.isdigit() else 0
    if size > limit:
        raise _too_large(f"{size} bytes", limit, setting)
    inflate = None if encoding == "identity" else _Inflate(_WINDOW[encoding])
    stream = request.stream()
    size = sent = 0
    waited = 0.0
    while (began := time.monotonic()) and (data := await anext(stream, None)) is not None:
        waited += time.monotonic() - began
        sent += len(data)
        if size > SMALL and waited > _PATIENCE_SECONDS + sent / _SLOWEST:
            raise RequestTimeoutError(f"body: expected {_SLOWEST} bytes a second at least, got fewer")
        for chunk in (data,) if inflate is None else inflate(data):
            size += len(chunk)
            if size > limit:
                raise _too_large("more", limit, setting)
            yield chunk
            if inflate is not None:
                await asyncio.sleep(0)
    if inflate is not None:
        inflate.check_end()


def _too_large(got: str, limit: int, setting: str) -> TooLargeError:
    return TooLargeError(f"body: expected {limit} bytes at most ({setting}), got {got}")


class _Inflate:
    """Decompresses chunk by chunk."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data and not self._stream.eof:
            try:
                chunk = self._stream.decompress(data, _CHUNK)
            except zlib.error as error:
                raise MessageError(f"body: not compressed as Content-Encoding says: {error}") from None
            data = self._stream.unconsumed_tail
            if chunk:
                yield chunk
        if data or self._stream.unused_data:
            raise MessageError("body: expected nothing after the compressed data")

    def check_end(self) -> None:
        if not self._stream.eof:
            raise MessageError("body: the compressed data ends early")
