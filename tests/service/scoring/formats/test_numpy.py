"""NPY and NPZ: what is no sequence is rejected, with the place."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from skiprnn_service.errors import ClientError, MessageError
from support import hostile_bodies as bodies
from support.score_bodies import as_npy, as_npz


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("npy", b"PK", "expected a file as numpy.save writes it"),
        ("npy", as_npy(np.zeros((2, 5, 3), np.float32))[:-1], "ends in sequence 1"),
        ("npy", as_npy(np.zeros((5, 2), np.float32)), "got shape [5, 2]"),
        ("npy", as_npy(np.zeros((0, 5, 3), np.float32)), "got shape [0, 5, 3]"),
        ("npy", as_npy(np.asfortranarray(np.zeros((5, 3)))), "expected C order"),
        ("npy", as_npy(np.array([[["a"] * 3]])), "expected numbers, got <U1"),
        ("npy", bodies.minuses(5000), "expected a file as numpy.save writes it"),
        ("npy", bodies.minuses(9000), "expected a file as numpy.save writes it"),
        ("npy", bodies.npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}"), "[-1, 3]"),
        (
            "npz",
            bodies.zipped("x.txt", b"1", zipfile.ZIP_STORED),
            "expected entries as numpy.savez writes them",
        ),
        ("npz", bodies.zipped("x.npy", b"1", zipfile.ZIP_LZMA), "got 'x.npy', type 14"),
        ("npz", bodies.zipped("a" * 1025 + ".npy", b"1", zipfile.ZIP_STORED), "expected entries"),
        ("npz", bodies.damaged_deflate(), "Error -3 while decompressing data"),
        ("npz", bodies.stated_lengths(10**13), "lengths: ends early"),
        ("npz", as_npz(x=np.zeros((5, 3)), lengths=np.array([2**63 - 1, 2**63 - 1, 7])), "with sum 5"),
        ("npz", b"no zip", "expected a file as numpy.savez writes it"),
        ("npz", as_npz(lengths=np.array([1])), "expected x beside lengths"),
        ("npz", as_npz(x=np.zeros((2, 5, 3)), lengths=np.array([5, 6])), "from 1 to 5"),
        ("npz", as_npz(x=np.zeros((5, 3)), lengths=np.array([2, 2])), "with sum 5, got 4"),
        ("npz", as_npz(x=np.zeros((5, 3)), lengths=np.array([2.5, 2.5])), "expected [N] whole numbers"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_rejected(
    examples: Any, name: str, body: bytes, reason: str
) -> None:
    with pytest.raises(ClientError) as rejected:
        examples(name, body)
    assert reason in str(rejected.value)


def test_pickles_are_never_read(examples: Any) -> None:
    pickled = np.empty(1, object)
    pickled[0] = [[1.0, 2.0, 3.0]]
    sink = io.BytesIO()
    np.save(sink, pickled, allow_pickle=True)
    for name, body in (
        ("npy", sink.getvalue()),
        ("npz", as_npz(x=pickled)),
        ("npz", as_npz(x=np.zeros((1, 3)), lengths=pickled)),
    ):
        with pytest.raises(MessageError, match=r"pickled|allow_pickle"):
            examples(name, body)
