"""Files of real sequences for the comparison at export."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from skiprnn.channels import Feature
from skiprnn_export.sequences import read_sequences

FEATURES = (Feature("ax", "g"), Feature("ay", "g"))
X = np.arange(12, dtype=np.float32).reshape(6, 2)


def test_every_kind_of_file_gives_its_sequences(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", np.stack([X, X + 1]).astype(np.float64))
    np.savez(tmp_path / "c.npz", one=X, two=X[:3])
    (tmp_path / "d.csv").write_text(
        "t,ay [g],ax,label\n" + "".join(f"{i},{r[1]},{r[0]},x\n" for i, r in enumerate(X))
    )
    rows = [[str(value).replace(".", ",") for value in row] for row in X + 0.5]
    text = "\ufeffay [g];who;ax\r\n" + "".join(f"{ay};ann;{ax}\r\n" for ax, ay in rows)
    (tmp_path / "e.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    (tmp_path / "notes.txt").write_text("not one")
    (tmp_path / ".hidden.csv").write_text("not one")
    found = read_sequences(str(tmp_path), FEATURES)
    expected = [X, X, X + 1, X, X[:3], X, X + 0.5]
    assert [x.dtype for x in found] == [np.float32] * 7
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(read_sequences(tmp_path / "b.npy", FEATURES)) == 2


def test_what_holds_no_sequences_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "narrow.npy", X[:, :1])
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.dat").write_text("1")
    with pytest.raises(
        FileNotFoundError, match=r"none\.npy: expected a file or folder of sequences, found none"
    ):
        read_sequences(tmp_path / "none.npy", FEATURES)
    with pytest.raises(
        ValueError, match=r"narrow\.npy: expected sequences \[T, 2\], got one of shape \[6, 1\]"
    ):
        read_sequences(tmp_path / "narrow.npy", FEATURES)
    with pytest.raises(ValueError, match=r"words\.npy: expected an array of numbers, got <U1"):
        read_sequences(tmp_path / "words.npy", FEATURES)
    with pytest.raises(
        ValueError, match=r"empty: expected files ending in \.npy, \.npz, \.csv, \.tsv, .*, \.pq, found none"
    ):
        read_sequences(tmp_path / "empty", FEATURES)
    with pytest.raises(ValueError, match=r"x\.dat: expected a file ending in \.npy"):
        read_sequences(tmp_path / "x.dat", FEATURES)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    for name in ("cut.npy", "cut.npz"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
        with pytest.raises(ValueError, match=f"{name}: expected a NumPy file"):
            read_sequences(tmp_path / name, FEATURES)
