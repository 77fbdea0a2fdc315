"""Arrow and Parquet: what is no sequence is rejected, with the place."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from skiprnn_service.errors import ClientError
from support.score_bodies import as_arrow, as_parquet, nested


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("arrow", b"no arrow", "Arrow stream: "),
        ("arrow_file", b"no arrow", "Arrow file: "),
        ("parquet", b"no parquet", "Parquet: "),
        ("arrow", as_arrow(nested([np.zeros((2, 2), np.float32)])), "x: expected lists of 3 numbers"),
        ("arrow", as_arrow(pa.table({"x": pa.array([None], pa.list_(pa.list_(pa.float32())))})), "null"),
        ("arrow", as_arrow(pa.table({"x": pa.array([[1.0]], pa.list_(pa.float32()))})), "got list<"),
        (
            "arrow",
            as_arrow(nested([np.zeros((1, 3), np.float32)], ids=[{"a": 1}])),
            "expected numbers or text, got struct",
        ),
        ("parquet", as_parquet(pa.table([[1.0]] * 4, ["x0", "x1", "x2", "x0"])), "got 'x0' twice"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_rejected(
    examples: Any, name: str, body: bytes, reason: str
) -> None:
    with pytest.raises(ClientError) as rejected:
        examples(name, body)
    assert reason in str(rejected.value)
