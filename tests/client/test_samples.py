"""What a caller may give, and what is rejected before it is sent."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_client import MISSED, NEW_SEQUENCE, Ready, SampleError
from skiprnn_client.messages import Encoding, encode_samples
from skiprnn_client.samples import Blocks, as_samples, check_finite, most_samples


def _ready(**limits: int) -> Ready:
    return Ready(stream_id="s", model="m", version="1", features=2, outputs=1, limits=limits)


@pytest.mark.parametrize(
    "x", [[1, 2], (1.0, 2.0), np.array([1, 2], np.int64), [[1, 2]], np.array([[1.0, 2.0]])]
)
def test_one_sample_may_come_in_any_of_the_usual_forms(x: Any) -> None:
    samples = as_samples(x, 2, t=0)
    assert samples.dtype == np.float32
    assert samples.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("x", "why"),
    [
        ([1, 2, 3], r"sample 4: expected shape \(2,\) or \(n, 2\), got \(3,\)"),
        (1.0, r"got \(\)"),
        (np.zeros((1, 1, 2)), r"got \(1, 1, 2\)"),
        (["a", "b"], r"expected 2 numbers, got \['a', 'b'\]"),
        ([[1, 2], [3]], "expected 2 numbers"),
        (None, "got"),
    ],
)
def test_other_shapes_and_types_are_rejected_with_the_reason(x: Any, why: str) -> None:
    with pytest.raises(SampleError, match=why):
        as_samples(x, 2, t=4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_a_sample_that_is_not_finite_is_named(bad: float) -> None:
    samples = as_samples(np.array([[1, 2], [3, bad]]), 2, t=10)
    with pytest.raises(SampleError, match="sample 11: expected finite float32 numbers, got"):
        check_finite(samples, t=10)


def test_without_a_chunk_messages_are_what_the_source_yields() -> None:
    blocks = Blocks(_ready(), chunk=None, t=0)
    assert [len(block) for x in ([1, 2], np.ones((5, 2)), np.ones((0, 2))) for block in blocks.push(x)] == [
        1,
        5,
    ]
    assert blocks.rest() == []


@given(
    sizes=st.lists(st.integers(0, 12), max_size=8),
    chunk=st.one_of(st.none(), st.integers(1, 9)),
    limit=st.integers(1, 10),
)
def test_blocks_hold_every_sample_once_in_order_within_the_limit(
    sizes: list[int], chunk: int | None, limit: int
) -> None:
    x = np.arange(2 * sum(sizes), dtype=np.float32).reshape(-1, 2)
    blocks = Blocks(_ready(max_samples=limit), chunk=chunk, t=0)
    parts = np.split(x, np.cumsum(sizes)[:-1]) if sizes else []
    out = [block for part in parts for block in blocks.push(part)] + blocks.rest()
    assert np.array_equal(np.concatenate([np.empty((0, 2), np.float32), *out]), x)
    size = min(chunk or limit, limit)
    assert all(0 < len(block) <= size for block in out)
    assert chunk is None or all(len(block) == size for block in out[:-1])


def test_a_chunk_of_nothing_is_rejected() -> None:
    with pytest.raises(ValueError, match="chunk: expected at least 1, got 0"):
        Blocks(_ready(), chunk=0, t=0)


def test_a_new_sequence_completes_the_old_one_and_counts_from_zero() -> None:
    blocks = Blocks(_ready(), chunk=2, t=7)
    assert blocks.take([1, 2]) == []
    rest, mark = blocks.take(NEW_SEQUENCE)
    assert (rest.tolist(), mark) == ([[1, 2]], NEW_SEQUENCE)  # type: ignore[union-attr]
    with pytest.raises(SampleError, match="sample 0"):
        blocks.take([1, 2, 3])


@pytest.mark.parametrize("mark", [MISSED, None])
def test_a_missed_sample_completes_the_message_before_it_and_counts(mark: Any) -> None:
    blocks = Blocks(_ready(), chunk=2, t=7)
    assert blocks.take([1, 2]) == []
    rest, missed = blocks.take(mark)
    assert (rest.tolist(), missed) == ([[1, 2]], MISSED)  # type: ignore[union-attr]
    with pytest.raises(SampleError, match="sample 9"):
        blocks.take([1, 2, 3])


@pytest.mark.parametrize(
    ("limits", "encoding", "most"),
    [
        ({}, "f32", 4096),
        ({"max_samples": 7}, "f32", 7),
        ({"max_message_bytes": 64 + 80}, "f32", 10),
        ({"max_message_bytes": 64 + 540}, "json", 10),
        ({"max_message_bytes": 64}, "f32", 1),
    ],
)
def test_a_message_keeps_to_the_bytes_and_samples_that_the_server_allows(
    limits: dict[str, int], encoding: Encoding, most: int
) -> None:
    assert most_samples(_ready(**limits), encoding) == most
    values = np.full((most, 2), -1.2345678e-38, np.float32)
    assert most == 1 or len(encode_samples(0, values, encoding)) <= limits.get("max_message_bytes", 1 << 20)
