"""The sink of writers."""

import io

import pytest

from skiprnn_service.errors import OverloadError, TooLargeError
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


def test_a_sink_takes_no_more_than_is_free_on_the_disk() -> None:
    sink = Sink(io.BytesIO(), 10, 5)
    sink.write(b"12345")
    with pytest.raises(OverloadError, match="max_spool_bytes"):
        sink.write(b"6")
