"""Arrow and Parquet: what is no sequence is rejected, with the place."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from skiprnn_service.errors import ClientError
from support import hostile_bodies as bodies
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
        ("arrow", bodies.shifted(3, 400_000_000), "Offset invariant failure"),
        ("arrow", bodies.shifted(3, -400_000_000), "Offset invariant failure"),
        ("arrow_file", bodies.shifted(3, 400_000_000, bodies.arrow_file), "Offset invariant failure"),
        ("arrow", bodies.many_nulls(500_000_000, 3), "1000000 bytes at most"),
        ("arrow", bodies.rows_of_nulls(500_000_000, 3), "1000000 bytes at most"),
        ("parquet", bodies.long_id(2_000_000), "in row group 0"),
        ("parquet", bodies.repeated_id(2000, 10), "sequence: expected 1024 bytes at most, got 2000"),
        ("arrow", bodies.late_time(bodies.arrow), "Arrow stream: "),
        ("arrow", bodies.bad_utf8(), "codec can't decode byte"),
        ("arrow", bodies.two_columns(bodies.arrow), "got 'x' twice"),
        ("arrow", as_arrow(pa.table({f"x{i}": ["1", "0x1F"] for i in range(3)})), "got '0x1F' in row 2"),
        ("arrow", as_arrow(pa.table({name: [1.0] for name in ("x0", "x1", "t")})), "['x2 [V]'] are missing"),
        ("parquet", as_parquet(pa.table([[1.0]] * 4, ["x0", "x1", "x2", "x0"])), "got 'x0' twice"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_rejected(
    examples: Any, name: str, body: bytes, reason: str
) -> None:
    with pytest.raises(ClientError) as rejected:
        examples(name, body)
    assert reason in str(rejected.value)


def test_columns_that_are_not_needed_are_not_read(examples: Any) -> None:
    """Damaged ones do no harm."""
    x = np.ones((2, 3), np.float32)
    table = nested([x]).append_column("unused", pa.array(["a damaged column"]))
    for name, body in (("arrow", as_arrow(table)), ("arrow_file", bodies.arrow_file(table))):
        damaged = body.replace(b"a damaged column", b"\xff" * 16)
        assert damaged != body
        (example,) = examples(name, damaged)
        np.testing.assert_array_equal(example.x, x)


def test_a_batch_may_be_larger_than_a_slice(examples: Any) -> None:
    """And than what may be held: its sequences are not."""
    x = np.arange(300_000, dtype=np.float32).reshape(-1, 3)
    columns = {f"x{i}": x[:, i] for i in range(3)} | {"sequence": np.arange(len(x)) // 1000}
    found = examples("arrow", as_arrow(pa.table(columns), rows=len(x)))
    assert [example.id for example in found] == list(range(100))
    np.testing.assert_array_equal(np.concatenate([example.x for example in found]), x)
    lists = nested([x[i : i + 20] for i in range(0, len(x), 20)])
    found = examples("arrow", as_arrow(lists, rows=len(x)))
    np.testing.assert_array_equal(np.concatenate([example.x for example in found]), x)


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(["a", None], pa.string_view()),
        pa.array([b"a", None]),
        pa.array([1, None], pa.timestamp("s")),
        pa.array([Decimal("1.5"), None]),
        pa.array([True, None]),
        pa.nulls(2),
    ],
    ids=lambda ids: str(ids.type),
)
def test_ids_are_of_any_type_that_is_not_nested(examples: Any, ids: pa.Array) -> None:
    table = nested([np.ones((2, 3), np.float32)] * 2).append_column("id", ids)
    value = ids[0].as_py()
    expected = {None: 0, True: True, "a": "a"}.get(value, str(value))
    assert [example.id for example in examples("arrow", as_arrow(table))] == [expected, 1]


@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_ids_may_come_from_a_dictionary(examples: Any, name: str) -> None:
    ids = pa.array(["a", "a", "b"]).dictionary_encode()
    table = pa.table({"sequence": ids} | {f"x{i}": [1.0, 2.0, 3.0] for i in range(3)})
    body = as_arrow(table) if name == "arrow" else as_parquet(table)
    assert [(example.id, len(example.x)) for example in examples(name, body)] == [("a", 2), ("b", 1)]
