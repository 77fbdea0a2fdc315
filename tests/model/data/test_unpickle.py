"""Arrays out of a pickle, and nothing else."""

import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from skiprnn.data.unpickle import read_object_array


def npy(held: object) -> io.BytesIO:
    file = io.BytesIO()
    np.save(file, np.array(held, dtype=object), allow_pickle=True)
    file.seek(0)
    return file


def test_arrays_are_read_out_of_a_pickle() -> None:
    held = read_object_array(npy({"X": [np.arange(6.0).reshape(2, 3)], "name": "watch"}))
    np.testing.assert_array_equal(held["X"][0], [[0, 1, 2], [3, 4, 5]])


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, ("/nonexistent",))


@pytest.mark.parametrize("held", [{"X": Malicious()}, {"X": Path("/")}, {"X": sys.exit}])
def test_a_pickle_that_asks_for_anything_else_raises_an_error(held: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="expected numpy arrays alone"):
        read_object_array(npy(held))


def test_a_file_that_is_no_object_array_raises_an_error() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    file.seek(0)
    with pytest.raises(ValueError, match="expected an array of objects, got float64"):
        read_object_array(file)
