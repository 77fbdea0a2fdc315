"""Bodies of requests: decompressed as they come, and never larger than a limit.

The limit is on the size after decompression, so a compressed bomb is rejected as soon as it has grown too large, within
a few kilobytes of memory.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request

from skiprnn_service.errors import ContentTypeError, MessageError, TooLargeError

_CHUNK = 65_536  # bytes that are decompressed before other work of the loop has its turn
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits: RFC 1952, RFC 1950


async def read(request: Request, *, limit: int, setting: str) -> bytes:
    """The whole body, decompressed. Errors as `chunks`."""
    return b"".join([chunk async for chunk in chunks(request, limit=limit, setting=setting)])


async def chunks(request: Request, *, limit: int, setting: str) -> AsyncIterator[bytes]:
    """The body, decompressed, as it comes.

    Args:
        limit: bytes, of the decompressed body.
        setting: the name of the limit.

    Raises:
        TooLargeError: the body is larger.
        ContentTypeError: a Content-Encoding other than gzip and deflate.
        MessageError: it is not compressed as Content-Encoding says, or ends early.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity" and encoding not in _WINDOW:
        raise ContentTypeError(f"Content-Encoding: expected gzip, deflate or none, got {encoding!r:.50}")
    declared = request.headers.get("content-length", "0")
    size = int(declared) if declared.isascii() and declared.isdigit() else 0
    if size > limit:
        raise _too_large(f"{size} bytes", limit, setting)
    inflate = None if encoding == "identity" else _Inflate(_WINDOW[encoding])
    size = 0
    async for data in request.stream():
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
