"""Rows: handed out once at a time, holding what they were asked to hold."""

import numpy as np

from skiprnn_service.arena import Arena


def test_hands_out_rows_that_hold_the_state_until_none_is_left() -> None:
    arena = Arena(2, state_size=3)
    first, second = arena.acquire(np.ones(3, np.float32)), arena.acquire(np.zeros(3, np.float32))
    assert {first, second} == {0, 1}
    assert arena.rows[first].tolist() == [1, 1, 1]
    assert arena.acquire(np.ones(3, np.float32)) is None
    assert arena.used == 2


def test_uses_a_released_row_again_before_an_untouched_one() -> None:
    arena = Arena(10, state_size=1)
    row = arena.acquire(np.array([1], np.float32))
    assert row is not None
    arena.release(row)
    assert arena.acquire(np.array([2], np.float32)) == row
    assert arena.rows[row].tolist() == [2]
    assert arena.used == 1
