"""Files of sequences and scores, with gzip by their names."""

import gzip
from pathlib import Path

import pytest

from skiprnn_cli.score import files


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    with files.scores(tmp_path / name) as out:
        out.write(b"x" * 1000)
    with files.sequences(tmp_path / name) as (source, file):
        assert source.read() == b"x" * 1000
        assert file.tell() == (tmp_path / name).stat().st_size
    packed = (tmp_path / name).read_bytes()
    assert (gzip.decompress(packed) if name.endswith(".gz") else packed) == b"x" * 1000


def test_the_same_scores_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        with files.scores(tmp_path / name) as out:
            out.write(b"x")
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
