"""The smartwatch recordings, as published: read without running their pickle, people held out."""

import io
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from skiprnn import tasks
from skiprnn.data import download
from skiprnn.data.unpickle import read_object_array
from skiprnn.tasks import Data, Source
from skiprnn.tasks.watch import held_out_subjects


def load(**options: int) -> Data:
    task = tasks.find("watch")
    try:
        return task.load(Source(None, task.recipe, 0, {**task.options, **options}))
    except download.DownloadError as error:
        pytest.skip(f"the recordings cannot be downloaded here: {error}")


def test_nobody_is_in_training_and_test() -> None:
    assert sorted(sum((held_out_subjects(fold) for fold in range(5)), ())) == list(range(1, 11))
    assert held_out_subjects(-1) == ()
    with pytest.raises(ValueError, match="fold: expected 0 to 4"):
        held_out_subjects(5)


def test_windows_are_made_for_seven_classes_at_50_hz() -> None:
    data = load(fold=0)
    batch = next(data.epoch(np.random.default_rng(0)))
    assert batch.x.shape == (64, 256, 6)
    assert batch.x.dtype == torch.float32
    assert data.network["sample_rate"] == 50
    assert set(torch.cat([part.y for part in data.validation]).tolist()) == set(range(7))
    assert data.mean is not None
    assert data.mean.shape == (6,)


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
def test_a_pickle_that_asks_for_anything_else_is_refused(held: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="expected numpy arrays alone"):
        read_object_array(npy(held))


def test_a_file_that_is_no_object_array_is_refused() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    file.seek(0)
    with pytest.raises(ValueError, match="expected an array of objects, got float64"):
        read_object_array(file)


def test_a_package_with_another_digest_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "skiprnn" / "packages" / "a.whl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not it")
    with pytest.raises(download.DownloadError, match="expected SHA-256 00, got"):
        download.wheel("a", "1", file="a.whl", sha256="00")
    assert not path.exists()


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(download.DownloadError, match="expected the program npm"):
        download.npm_package("a", "1", file="a.tgz", sha256="00")


def test_the_clients_own_words_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(download.DownloadError, match="No matching distribution found for skiprnn-none==1"):
        download.wheel("skiprnn-none", "1", file="a.whl", sha256="00")
