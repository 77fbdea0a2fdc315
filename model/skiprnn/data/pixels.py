"""Images, read pixel by pixel, row by row (section 4.3)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skiprnn.data.dataset import InOrder, Numbers, batch_count, of_tensors, shuffled
from skiprnn.network import Feature
from skiprnn.tasks.task import Data

_JUDGED_TOGETHER = 500


class Split(NamedTuple):
    """Numbers of the images to train on, to select by and to report."""

    train: Numbers
    validation: Numbers
    test: Numbers


def pixel_data(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    split: Split,
    batch_size: int,
    classes: Sequence[str],
) -> Data:
    """Images [N, height, width] with values in [0, 1] → sequences [N, height · width, 1]."""
    x = torch.from_numpy(images.reshape(len(images), -1, 1))
    fetch = of_tensors(x, torch.from_numpy(labels))
    return Data(
        network={
            "input_size": 1,
            "output_size": len(classes),
            "features": (Feature("pixel"),),
            "classes": tuple(classes),
        },
        epoch=shuffled(fetch, split.train, batch_size),
        batches=batch_count(len(split.train), batch_size),
        validation=InOrder(fetch, split.validation, _JUDGED_TOGETHER),
        test=InOrder(fetch, split.test, _JUDGED_TOGETHER),
        samples=list(x[split.test[:8]].numpy()),
    )
