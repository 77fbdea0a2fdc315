"""The IDX format."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from skiprnn.data.idx import read_idx


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=3, max_side=5)))
def test_idx_files_are_read_as_they_were_written(array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    np.testing.assert_array_equal(read_idx(header + array.tobytes()), array)
    with pytest.raises(ValueError, match="values of shape"):
        read_idx(header + array.tobytes() + b"\x00")
    with pytest.raises(ValueError, match="expected an IDX file"):
        read_idx(b"\x01" + header[1:])
