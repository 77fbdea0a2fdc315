"""JSON and NDJSON: what is no sequence is rejected, with the place."""

from typing import Any

import pytest

from skiprnn_service.errors import ClientError


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("json", b"{", "sequences"),
        ("json", b'{"sequences": [[[1, 2]]]}', "sequence 0: expected [T, 3]"),
        ("ndjson", b'{"x": [[1, 2, 3]]}\n{"y": 1}', "line 2: expected"),
        ("ndjson", b"\xff\n", "line 1: expected"),
        ("ndjson", b"\n" * 1001, "line 1: expected 1000 blank lines in a row at most"),
        ("ndjson", b'{"x": [[1, 2, 3]], "id": "' + b"a" * 1025 + b'"}', "line 1: expected"),
        ("ndjson", b'{"x": [[1, 2, 3]], "id": 1180591620717411303424}', "line 1: expected"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_rejected(
    examples: Any, name: str, body: bytes, reason: str
) -> None:
    with pytest.raises(ClientError) as rejected:
        examples(name, body)
    assert reason in str(rejected.value)


def test_blank_lines_between_sequences_are_skipped(examples: Any) -> None:
    body = (b"\n" * 900).join([b'{"x": [[1, 2, 3]]}\n'] * 3)
    assert [example.id for example in examples("ndjson", body)] == [0, 1, 2]
