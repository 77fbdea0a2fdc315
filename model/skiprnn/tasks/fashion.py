"""Sequential Fashion-MNIST: 784 pixels of a piece of clothing, row by row.

Same sizes and splits as MNIST. The four files come with the Debian package dataset-fashion-mnist (MIT).
"""

import gzip
import io
import tarfile

from skiprnn.data import download
from skiprnn.data.idx import read_idx
from skiprnn.data.types import Data
from skiprnn.metrics import Metric, accuracy
from skiprnn.recipe import Recipe
from skiprnn.tasks.mnist import PARTS, images_and_labels
from skiprnn.tasks.task import Source, Task

CLASSES = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]

_PACKAGE = {
    "version": "0.0~git20200523.55506a9-1",
    "file": "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    "sha256": "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
}


def _load(source: Source) -> Data:
    package = download.debian_package("dataset-fashion-mnist", **_PACKAGE)
    files = _files(package.read_bytes())
    arrays = [read_idx(gzip.decompress(files[f"{part}-ubyte.gz"])) for part in PARTS]
    return images_and_labels(arrays, source.recipe.batch_size, CLASSES)


def _files(package: bytes) -> dict[str, bytes]:
    """The data files in a .deb, by name."""
    with tarfile.open(fileobj=io.BytesIO(data_member(package))) as archive:
        held = ((member.name.rpartition("/")[2], archive.extractfile(member)) for member in archive)
        return {name: file.read() for name, file in held if file is not None}


def data_member(package: bytes) -> bytes:
    """`data.tar.…` of a .deb, which is an ar archive: a header of 60 bytes before each member, members at even offsets.

    Raises:
        ValueError: there is none.
    """
    at = len(b"!<arch>\n")
    while at + 60 <= len(package):
        name, size = package[at : at + 16].decode().strip(), int(package[at + 48 : at + 58])
        if name.startswith("data.tar"):
            return package[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    raise ValueError("expected a Debian package with a member data.tar, found none")


TASK = Task(
    name="fashion",
    summary="sequential Fashion-MNIST: 784 pixels of a piece of clothing, one pixel a sample",
    metric=Metric("accuracy", accuracy, is_share=True),
    load=_load,
    recipe=Recipe(
        cell="gru",
        learning_rate=1e-3,
        epochs=30,
        learning_rate_schedule="cosine",
        target_rate=0.3,
        ramp=0.5,
        keep="last",
    ),
    paper=Recipe(epochs=600, lambda_=1e-4),
)
