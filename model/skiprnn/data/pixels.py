"""Images as sequences of pixels, row by row (section 4.3)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from skiprnn.channels import Feature
from skiprnn.data.dataset import Split, data_set, of_tensors
from skiprnn.data.types import Data

_EVALUATED_TOGETHER = 500


def pixel_data(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    split: Split,
    batch_size: int,
    classes: Sequence[str],
) -> Data:
    """Images [N, height, width] with values in [0, 1] → sequences [N, height · width, 1]."""
    x = torch.from_numpy(images.reshape(len(images), -1, 1))
    network = {
        "input_size": 1,
        "output_size": len(classes),
        "features": (Feature("pixel"),),
        "classes": tuple(classes),
    }
    return data_set(
        network,
        of_tensors(x, torch.from_numpy(labels)),
        split,
        batch_size,
        evaluated_size=_EVALUATED_TOGETHER,
        samples=list(x[split.test[:8]].numpy()),
    )
