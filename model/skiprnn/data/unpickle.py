"""Read numpy arrays out of a pickle from elsewhere, and nothing else.

A pickle is a program. This reader lets it build numpy arrays, dtypes and Python's plain containers; whatever else it
asks for raises an error before it runs.
"""

import pickle
from typing import Any, BinaryIO

import numpy as np

_ALLOWED = {
    # The module was renamed in numpy 2; old pickles name the old one.
    ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
    ("_codecs", "encode"): ("_codecs", "encode"),  # bytes, as Python 2's protocol wrote them
}


def read_object_array(file: BinaryIO) -> Any:
    """What an .npy file of dtype object holds.

    Raises:
        ValueError: it is no such file.
        pickle.UnpicklingError: it asks for something other than arrays and plain containers.
    """
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"expected an .npy file of version 1.0, got {version}")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype != np.dtype(object):
        raise ValueError(f"expected an array of objects, got {dtype}")
    held = _ArraysOnly(file, encoding="latin1").load()
    return held[()] if shape == () else held


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"expected numpy arrays alone, got a pickle that asks for {module}.{name}"
            )
        return super().find_class(*_ALLOWED[module, name])
