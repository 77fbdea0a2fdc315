"""Epochs and batches of a data set of a known size."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.dataset import InOrder, batch_count, held_out, of_signals, of_tensors, shuffled


@given(st.integers(1, 50), st.integers(1, 12), st.booleans())
def test_an_epoch_has_every_sequence_once(count: int, size: int, by_length: bool) -> None:
    numbers = np.arange(100, 100 + count)
    fetch = of_tensors(torch.arange(200.0).reshape(200, 1, 1), torch.arange(200))
    lengths = np.arange(count)[::-1] if by_length else None
    batches = list(shuffled(fetch, numbers, size, lengths)(np.random.default_rng(0)))
    assert len(batches) == batch_count(count, size)
    assert sorted(torch.cat([batch.y for batch in batches]).tolist()) == numbers.tolist()


def test_sequences_of_similar_lengths_share_batches() -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(1, 101))
    fetch = of_signals([np.zeros((length, 1), np.float32) for length in lengths], torch.zeros(100))
    for batch in shuffled(fetch, np.arange(100), 10, lengths)(np.random.default_rng(0)):
        assert batch.lengths is not None
        assert batch.lengths.max() - batch.lengths.min() == 9


def test_batches_in_order_are_fetched_when_asked_for() -> None:
    fetched = InOrder(of_tensors(torch.zeros(5, 2, 1), torch.arange(5)), np.arange(5), 2)
    assert [batch.y.tolist() for batch in fetched] == [[0, 1], [2, 3], [4]]
    assert [batch.y.tolist() for batch in fetched[1:]] == [[2, 3], [4]]


@given(st.integers(2, 100), st.floats(0, 0.9))
def test_a_held_out_part_is_the_same_every_time_and_shares_nothing(count: int, share: float) -> None:
    kept, held = held_out(count, share)
    assert sorted([*kept, *held]) == list(range(count))
    assert len(held) == round(share * count)
    np.testing.assert_array_equal(held_out(count, share)[1], held)
