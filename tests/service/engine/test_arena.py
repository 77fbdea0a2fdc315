"""Rows: handed out once at a time, those used last first; the row that every sequence begins with stays as it is."""

import numpy as np
import pytest

from skiprnn_service.engine.arena import FIRST, INITIAL, Arena
from skiprnn_service.engine.onnx_runtime import CPU, Runtime
from support.bundles import write_random_bundle


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    bundle = write_random_bundle(tmp_path_factory.mktemp("bundle") / "m.onnx", cell="gru", hidden=3)
    return Runtime(bundle.model, state_size=3, threads=1, providers=CPU)


@pytest.fixture
def arena(runtime: Runtime) -> Arena:
    return Arena(runtime.memory(FIRST + 2), FIRST + 2, initial_state=np.array([1, 2, 3], np.float32))


def test_hands_out_each_row_once_until_none_is_left(arena: Arena) -> None:
    assert {arena.acquire(), arena.acquire()} == {FIRST, FIRST + 1}
    with pytest.raises(IndexError, match="all 4 rows"):
        arena.acquire()


def test_uses_a_released_row_again_before_an_untouched_one(arena: Arena) -> None:
    row = arena.acquire()
    assert arena.used == 1
    arena.release(row)
    assert arena.used == 0
    assert arena.acquire() == row


def test_the_initial_state_is_there_and_is_never_handed_out(arena: Arena) -> None:
    assert arena.read([INITIAL]).tolist() == [[1, 2, 3]]
    arena.release(INITIAL)  # of a stream that never read a sample
    assert arena.used == 0
    assert INITIAL not in {arena.acquire(), arena.acquire()}


def test_a_row_holds_what_was_written_and_what_was_read_is_a_copy(arena: Arena) -> None:
    one, other = arena.acquire(), arena.acquire()
    arena.write(one, np.array([4, 5, 6], np.float32))
    arena.write(other, np.zeros(3, np.float32))
    read = arena.read([other, one])
    arena.write(one, np.ones(3, np.float32))
    assert read.tolist() == [[0, 0, 0], [4, 5, 6]]
    assert arena.read([one]).tolist() == [[1, 1, 1]]
