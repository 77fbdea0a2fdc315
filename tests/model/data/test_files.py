"""Which files of a folder are recordings."""

import gzip
import hashlib
import logging
from pathlib import Path

import pytest

from skiprnn.data.files import digest, find_recordings, shown, stem


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x\n1\n")


def test_other_files_are_passed_over_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "b.CSV", "a/c.parquet", "e.xlsx", "notes.md", "d.txt")
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        assert find_recordings(tmp_path) == [tmp_path / "a/c.parquet", tmp_path / "b.CSV"]
    assert (
        "passed over  e.xlsx, notes.md (their names do not end in .csv, .tsv, .txt, .parquet or .pq"
        in caplog.text
    )
    assert "passed over  d.txt (text without columns)" in caplog.text


def test_every_kind_of_table_is_found(tmp_path: Path) -> None:
    names = ["a.csv", "b.csv.gz", "c.TSV", "d.tsv.gz", "e.parquet", "f.pq", "g.txt", "h.txt.gz"]
    touch(tmp_path, *names[:-2])
    (tmp_path / "g.txt").write_text("x;y\n1;2\n")
    with gzip.open(tmp_path / "h.txt.gz", "wt") as file:
        file.write("x\ty\n1\t2\n")
    assert find_recordings(tmp_path) == [tmp_path / name for name in names]


def test_a_file_is_itself_and_a_file_of_another_kind_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "b.xlsx")
    assert find_recordings(tmp_path / "a.csv") == [tmp_path / "a.csv"]
    with pytest.raises(ValueError, match=r"expected a name ending in \.csv, .*, got 'b\.xlsx'"):
        find_recordings(tmp_path / "b.xlsx")


def test_a_file_that_is_something_else_is_no_recording(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv", "labels.csv")
    assert find_recordings(tmp_path, [tmp_path / "x" / ".." / "labels.csv"]) == [tmp_path / "a.csv"]


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.csv", "a"), ("a.b.csv.gz", "a.b"), ("a.v1.PQ", "a.v1"), ("a.md", "a.md"), ("a", "a")],
)
def test_a_stem_has_no_ending_of_a_table(name: str, found: str) -> None:
    assert stem(name) == found


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
    touch(tmp_path, "a.xlsx")
    with pytest.raises(ValueError, match=r"expected files ending in \.csv, .*, found a\.xlsx"):
        find_recordings(tmp_path)


def test_long_lists_are_cut() -> None:
    assert shown([]) == ""
    assert shown(list("abcde")) == "a, b, c, d, e"
    assert shown(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    touch(tmp_path, "a.csv")
    assert digest(tmp_path / "a.csv") == hashlib.sha256(b"x\n1\n").hexdigest()
