"""Images as sequences of pixels."""

import numpy as np

from skiprnn.data.dataset import Split
from skiprnn.data.pixels import pixel_data


def test_an_image_is_a_sequence_row_by_row() -> None:
    images = np.arange(5 * 2 * 3, dtype=np.float32).reshape(5, 2, 3)
    split = Split(np.array([0, 1, 2]), np.array([3]), np.array([4]))
    data = pixel_data(images, np.arange(5), split, 2, "abcde")
    assert data.test[0].x[0, :, 0].tolist() == images[4].ravel().tolist()
    assert data.test[0].y.tolist() == [4]
    assert data.batches == 2
    assert data.network["classes"] == tuple("abcde")
    np.testing.assert_array_equal(data.samples[0], data.test[0].x[0])
