"""CSV: what is no sequence is rejected, with the place."""

from typing import Any

import pytest

from skiprnn_service.errors import ClientError


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("csv", b"", "CSV: "),
        ("csv", b"a,b\n1,2\n", "expected a list column x, or columns ['x0', 'x1', 'x2'], got ['a', 'b']"),
        ("csv", b"x0,x1,x2\n1,2,z\n", "x2: expected numbers"),
        ("csv", b"x0,x1,x2,sequence\n1,2,3,4\n1,2,3,\n", "sequence: expected a name or number in every row"),
        ("csv", b"x0,x1,x2,x1\n1,2,3,4\n", "columns: expected each name once, got 'x1' twice"),
        ("csv", "x0,x1,x2,größe\n1,2,3,4\n".encode("latin-1"), "CSV: expected a header in UTF-8"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_rejected(
    examples: Any, name: str, body: bytes, reason: str
) -> None:
    with pytest.raises(ClientError) as rejected:
        examples(name, body)
    assert reason in str(rejected.value)
