"""The sink of writers."""

import io

import pytest

from skiprnn_service.errors import TooLargeError
from skiprnn_service.scoring.formats.base import Sink


def test_a_sink_counts_bytes_and_takes_none_beyond_its_limit() -> None:
    file = io.BytesIO()
    sink = Sink(file, 10)
    assert sink.write(b"12345") == 5
    assert sink.write(memoryview(b"12345678").cast("I")[:1]) == 4
    sink.reserve(1)
    for reject in (lambda: sink.reserve(2), lambda: sink.write(b"12")):
        with pytest.raises(TooLargeError, match=r"expected 10 bytes at most \(max_score_bytes\)"):
            reject()
    assert (sink.tell(), file.getvalue()) == (9, b"123451234")
