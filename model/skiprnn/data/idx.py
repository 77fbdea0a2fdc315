"""The IDX format of MNIST: two zero bytes, a type (8: unsigned byte), the number of dimensions, their sizes as
big-endian 32-bit integers, then the values."""

import numpy as np
from numpy.typing import NDArray


def read_idx(data: bytes) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes → an array of its shape.

    Raises:
        ValueError: it is no such file, or not as long as it says.
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise ValueError(f"expected an IDX file of unsigned bytes, got one that begins {data[:4]!r}")
    dimensions = data[3]
    begin = 4 + 4 * dimensions
    shape = np.frombuffer(data[:begin], ">u4", dimensions, offset=4)
    if len(data) != begin + int(np.prod(shape)):
        raise ValueError(
            f"expected {int(np.prod(shape))} values of shape {shape.tolist()}, got {len(data) - begin}"
        )
    return np.frombuffer(data, np.uint8, offset=begin).reshape(shape)
