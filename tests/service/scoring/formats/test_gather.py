"""Rows of a sequence are brought together wherever they stand, in order or by time."""

import io
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skiprnn_export import Feature
from skiprnn_service.errors import ClientError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import Example, InputSpec
from skiprnn_service.scoring.formats.gather import Batch, Grouped, gather, last_rows
from skiprnn_service.scoring.formats.registry import read
from support.score_tables import BODIES, mixed, table_by_subject

FEATURES = tuple(Feature(f"x{i}") for i in range(3))


def examples(kind: str, body: bytes, max_bytes: int = 10**6, **columns: Any) -> list[Example]:
    return list(read(kind, io.BytesIO(body), InputSpec(FEATURES, max_bytes, **columns)).examples)


def sequences(lengths: list[int]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {f"s{i}": rng.standard_normal((n, 3), np.float32) for i, n in enumerate(lengths)}


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(sorted(BODIES)),
)
def test_mixed_rows_give_the_samples_of_sorted_ones(lengths: list[int], seed: int, kind: str) -> None:
    whole, order = sequences(lengths), mixed(lengths, seed)
    found = examples(kind, BODIES[kind](table_by_subject(whole, order)), sequence="subject")
    assert {one.id for one in found} == set(whole)
    firsts = [int(one.row[0]) for one in found if one.row is not None]
    assert firsts == sorted(firsts)
    for one in found:
        np.testing.assert_array_equal(one.x, whole[str(one.id)], strict=True)
        assert one.row is not None
        np.testing.assert_array_equal(table_by_subject(whole, order)["x0"].to_numpy()[one.row], one.x[:, 0])


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(sorted(BODIES)),
)
def test_a_time_column_puts_rows_in_order(lengths: list[int], seed: int, kind: str) -> None:
    whole = sequences(lengths)
    order = np.random.default_rng(seed).permutation(sum(lengths))
    body = BODIES[kind](table_by_subject(whole, order))
    for one in examples(kind, body, sequence="subject", time="seconds", carry=("note",)):
        np.testing.assert_array_equal(one.x, whole[str(one.id)], strict=True)
        times, notes = one.carried
        np.testing.assert_array_equal(times.astype(float), np.arange(len(one.x)) / 50)
        assert set(notes.tolist()) == {f"of {one.id}"}


TIMES = {
    "whole numbers": pa.array([2**62 + 1, 2**62, 2**62 + 2]),  # no float64 tells them apart
    "text of whole numbers": pa.array([str(2**62 + 1), str(2**62), str(2**62 + 2)]),
    "ISO": pa.array(["2024-05-01T12:00:00.000000001", "2024-05-01T12:00:00", "2024-05-01 12:00:01"]),
    "ISO with an offset": pa.array(
        ["2024-05-01T12:00:00Z", "2024-05-01T13:00:00+02:00", "2024-05-01T12:00:00.5Z"]
    ),
    "timestamps": pa.array([2, 1, 3], pa.timestamp("ns", "Europe/Paris")),
    "dates": pa.array([2, 1, 3], pa.date32()),
    "times of day": pa.array([2, 1, 3], pa.time64("us")),
    "from a dictionary": pa.array(["2", "1", "10"]).dictionary_encode(),
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES.keys())
@pytest.mark.parametrize("kind", ["arrow", "parquet", "csv"])
def test_times_are_of_every_type(times: pa.Array, kind: str) -> None:
    if kind == "csv":
        times = (times.cast(pa.int64()) if pa.types.is_time(times.type) else times).cast(pa.string())
    table = pa.table({"t": times} | {f"x{i}": [1.0, 0.0, 2.0] for i in range(3)})
    (one,) = examples(kind, BODIES[kind](table), time="t")
    assert one.x[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", sorted(BODIES))
@pytest.mark.parametrize(
    ("times", "said"),
    [
        (
            [0.5, 0.5, 1.0, 2.0],
            "seconds: expected each time once in a sequence, got '0.5' in rows 1 and 2 of ",
        ),
        ([0.0, None, 1.0, 2.0], "in row 2, of sequence 'a'"),
        (["0.5", "1.5", "2.5", "later"], "got 'later' in row 4, of sequence 'b'"),
        (["2024-05-01", "2024-05-02Z", "3", "4"], "in row 2, of sequence 'a'"),
    ],
    ids=["repeated", "missing", "no time", "of two kinds"],
)
def test_a_time_that_orders_nothing_is_named(kind: str, times: list[Any], said: str) -> None:
    frame = pd.DataFrame({"subject": list("aaab"), "seconds": times} | dict.fromkeys(("x0", "x1", "x2"), 1.0))
    with pytest.raises(ShapeError, match=re.escape(said)):
        examples(kind, BODIES[kind](pa.Table.from_pandas(frame)), sequence="subject", time="seconds")


def test_sequences_of_adjacent_rows_are_held_one_at_a_time_and_mixed_ones_within_the_limit() -> None:
    whole = sequences([4000] * 60)  # 2.9 MB, read in batches of 65,536 rows
    found = examples("parquet", BODIES["parquet"](table_by_subject(whole)), sequence="subject")
    assert [len(one.x) for one in found] == [4000] * 60
    body = BODIES["parquet"](table_by_subject(whole, mixed([4000] * 60, 0)))
    with pytest.raises(TooLargeError, match=r"in 60 of them: sort the table by its sequences"):
        examples("parquet", body, sequence="subject")
    assert len(examples("parquet", body, 10**7, sequence="subject")) == 60
    with pytest.raises(TooLargeError, match="sequence 's0': expected 40000 bytes at most"):
        examples(
            "parquet", BODIES["parquet"](table_by_subject(sequences([4000, 1]))), 40_000, sequence="subject"
        )


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_ids_keep_their_spelling(kind: str) -> None:
    table = pa.table({"n": ["007", "7", "007", " 7"]} | {f"x{i}": [1.0, 2.0, 3.0, 4.0] for i in range(3)})
    found = examples(kind, BODIES[kind](table), sequence="n")
    assert [(one.id, one.x[:, 0].tolist()) for one in found] == [("007", [1, 3]), ("7", [2]), (" 7", [4])]


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_an_empty_id_is_an_error(kind: str) -> None:
    """It was the number of its sequence, which may be the id of another one."""
    table = pa.table({"n": ["1", "", "2"]} | {f"x{i}": [1.0, 2.0, 3.0] for i in range(3)})
    with pytest.raises(ShapeError, match="n: expected a name or number in every row, got"):
        examples(kind, BODIES[kind](table), sequence="n")


@pytest.mark.parametrize("mixed", ['{"n": %s, "x0": 1, "x1": 1, "x2": 1}', '{"id": %s, "x": [[1, 1, 1]]}'])
def test_ids_that_are_one_as_text_are_an_error(mixed: str) -> None:
    body = "\n".join(mixed % id for id in ("7", '"7"')).encode()
    with pytest.raises(ShapeError, match="id: expected each id once, got '7' again in sequence 1"):
        examples("ndjson", body, sequence="n" if "n" in mixed[:4] else None)


@pytest.mark.parametrize("kind", ["arrow", "parquet", "ndjson"])
def test_ids_beyond_int64_are_an_error(kind: str) -> None:
    table = pa.table({"n": pa.array([1, 2**63], pa.uint64())} | {f"x{i}": [1.0, 2.0] for i in range(3)})
    with pytest.raises(ClientError, match=r"2\^63|9223372036854775807"):
        examples(kind, BODIES[kind](table), sequence="n")
    assert [one.id for one in examples(kind, BODIES[kind](table.slice(0, 1)), sequence="n")] == [1]


@settings(max_examples=50, deadline=None)
@given(ids=st.lists(st.sampled_from([*"abcde"]), min_size=1, max_size=40), size=st.integers(1, 9))
def test_what_is_held_leaves_with_the_last_row_of_each_sequence(ids: list[str], size: int) -> None:
    """No sequence whose rows have all come is waited for, and each has its own rows in order."""
    known = sorted({*ids})
    groups = [
        Grouped(known, np.array([known.index(id) for id in ids[begin : begin + size]]))
        for begin in range(0, len(ids), size)
    ]
    batches = (Batch(one, np.ones((len(one.code), 3), np.float32)) for one in groups)
    found = list(gather(batches, last_rows(groups), InputSpec(FEATURES, 10**6)))
    assert [one.id for one in found] == list(dict.fromkeys(ids))
    for one in found:
        assert one.row is not None
        assert one.row.tolist() == [row for row, id in enumerate(ids) if id == one.id]


@pytest.mark.parametrize("kind", sorted(BODIES))
@pytest.mark.parametrize("option", ["sequence", "time", "carry"])
def test_a_column_that_is_not_there_is_named(kind: str, option: str) -> None:
    body = BODIES[kind](table_by_subject(sequences([3])))
    columns: dict[str, Any] = {option: ("nope",) if option == "carry" else "nope"}
    with pytest.raises(ShapeError, match=rf"{option}: expected a column 'nope', got \['subject'"):
        examples(kind, body, **columns)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_a_format_without_columns_says_so(kind: str) -> None:
    with pytest.raises(ShapeError, match=f"expected a format with columns .* got {kind}"):
        examples(kind, b"", sequence="subject")
