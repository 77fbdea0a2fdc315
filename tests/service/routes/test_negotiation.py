"""What an answer is, by the headers of its request."""

import pytest

from skiprnn_service.errors import AcceptError
from skiprnn_service.routes.negotiation import content_encoding, output_format


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("deflate", "deflate"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0", None),
        ("gzip; q=0.000, deflate;q=0", None),
        ("gzip;q=0, *", "deflate"),
        ("*", "gzip"),
        ("*;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=1.0, identity;q=0.5", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("gzip;q=high", None),
        ("gzip;q=nan", None),
        ("gzip;q=9", None),
        ("br", None),
    ],
)
def test_an_encoding_of_weight_0_is_never_taken(header: str | None, expected: str | None) -> None:
    assert content_encoding(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("text/*", "csv"),
        ("text/html, application/x-npy;q=0.5, text/csv;q=0.9", "csv"),
        ("application/json;q=0, application/x-ndjson;q=0.1", "ndjson"),
    ],
)
def test_the_format_of_highest_weight_is_taken(header: str | None, expected: str) -> None:
    assert output_format(header) == expected


@pytest.mark.parametrize("header", ["text/html", "application/json;q=0", "application/json;q=x"])
def test_formats_that_are_not_written_are_rejected(header: str) -> None:
    with pytest.raises(AcceptError, match="Accept: expected some of"):
        output_format(header)
