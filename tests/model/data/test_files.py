"""Which files of a folder are recordings."""

import hashlib
import logging
from pathlib import Path

import pytest

from skiprnn.data.files import digest, find_recordings, shown


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n1\n")


def test_other_files_are_passed_over_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "b.CSV", "a/c.parquet", "a.csv.gz", "b.tsv", "c.pq", "d.txt")
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        assert find_recordings(tmp_path) == [tmp_path / "a/c.parquet", tmp_path / "b.CSV"]
    assert "do not end in .csv or .parquet: a.csv.gz, b.tsv, c.pq, d.txt" in caplog.text


def test_hidden_files_and_what_archives_leave_are_no_recordings(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", ".b.csv", ".ipynb_checkpoints/a-checkpoint.csv", "x/__MACOSX/._a.csv")
    assert find_recordings(tmp_path) == [tmp_path / "a.csv"]


def test_a_folder_that_is_itself_hidden_is_searched(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/data/a.csv")
    assert find_recordings(tmp_path / ".cache" / "data") == [tmp_path / ".cache/data/a.csv"]


def test_a_folder_named_as_a_file_is_said_and_searched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "x.csv/part.csv", "y.csv")
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        assert find_recordings(tmp_path) == [tmp_path / "x.csv/part.csv", tmp_path / "y.csv"]
    assert "x.csv is a folder" in caplog.text


def test_a_link_to_nothing_raises_an_error_that_names_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"b\.csv: expected a recording, found a link to nothing"):
        find_recordings(tmp_path)


def test_a_folder_of_other_files_says_what_there_is(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv.gz")
    with pytest.raises(ValueError, match=r"expected files ending in \.csv or \.parquet, found a\.csv\.gz"):
        find_recordings(tmp_path)


def test_long_lists_are_cut() -> None:
    assert shown([]) == ""
    assert shown(list("abcde")) == "a, b, c, d, e"
    assert shown(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    assert digest(tmp_path / "a.csv") == hashlib.sha256(b"x\n1\n").hexdigest()
