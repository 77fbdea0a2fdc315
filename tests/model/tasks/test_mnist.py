"""Sequential MNIST."""

import io
import tarfile

import pytest

from support.images import assert_complete
from support.tasks import load


def test_the_complete_set_of_images_is_loaded() -> None:
    assert_complete(load("mnist"), batches=860)


def test_an_archive_without_the_file_is_named() -> None:
    from skiprnn.tasks.mnist import _member

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("package/other"))
    file.seek(0)
    with tarfile.open(fileobj=file) as archive, pytest.raises(KeyError, match="package/data"):
        _member(archive, "package/data/train")
