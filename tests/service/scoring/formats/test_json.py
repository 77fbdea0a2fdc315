"""JSON and NDJSON: what is no sequence is rejected, with the place."""

import json
from typing import Any

import numpy as np
import pytest

from skiprnn_service.errors import ClientError, TooLargeError


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
        (
            "ndjson",
            b'{"x": [[1, 2, 3]], "id": "a"}\n' * 2,
            "id: expected each id once, got 'a' again in sequence 1",
        ),
        ("json", b'{"sequences": [{"x": [[1, 2, 3]], "id": 7}, {"x": [[1, 2, 3]], "id": 7}]}', "got 7 again"),
        (
            "ndjson",
            b'{"x0": 1, "x1": 2, "x2": 3}\n{"x0": 1, "x1": 2, "x2": "4"}',
            "line 2: x2: expected a number",
        ),
        ("ndjson", b'{"x0": 1, "x1": 2, "x2": 3}\n{"x0": [1]}', "line 2: expected a sample"),
        ("ndjson", b'{"x0": 1, "x1": 2, "x2": 3, "sequence": null}', "line 1: sequence: expected a name"),
        ("ndjson", b'{"x0": 1, "x1": 2}', "are missing"),
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


def test_a_sequence_in_json_may_have_an_id(examples: Any) -> None:
    body = b'{"sequences": [[[1, 2, 3]], {"id": "a", "x": [[4, 5, 6]]}]}'
    assert [(one.id, one.x.tolist()) for one in examples("json", body)] == [
        (0, [[1, 2, 3]]),
        ("a", [[4, 5, 6]]),
    ]


def test_a_line_may_be_a_sample(examples: Any) -> None:
    lines = [
        {"x2": 3, "x0": 1, "x1": None, "sequence": 7},
        {"x0": 2, "sequence": "a"},
        {"x0": 4, "sequence": 7},
    ]
    found = examples("ndjson", "\n".join(map(json.dumps, lines)).encode())
    assert [(one.id, one.x[:, 0].tolist()) for one in found] == [(7, [1, 4]), ("a", [2])]
    np.testing.assert_array_equal(found[0].x[0], [1, np.nan, 3])


def test_a_body_of_more_than_may_be_held_is_not_read(examples: Any) -> None:
    """A few bytes of gzip unpack to any number of blanks."""
    body = b'{"sequences": [[[1, 2, 3]]]}'
    assert len(examples("json", body.ljust(1_000_000))) == 1
    with pytest.raises(TooLargeError, match="body: expected 1000000 bytes at most, as JSON is held whole"):
        examples("json", body.ljust(1_000_001))
