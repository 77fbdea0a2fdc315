"""What a file is that should have been a table."""

import gzip
import os
from pathlib import Path

import pytest

from skiprnn.data.file_kind import file_kind, not_utf8


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf \r\n\n", "an empty file"),
        (gzip.compress(b"x\n1\n", mtime=0), "gzip"),
        (b"PK\x03\x04rest", "a zip archive or a spreadsheet"),
        (b"PAR1rest", "Parquet"),
        ("x\n1\n".encode("utf-16"), "UTF-16 text"),
        (b"# a logger\nx\n1\n", "a comment before the header"),
        (b"x,\0\n", "a binary file"),
        (b"x,y\n1,2\n", "text"),
    ],
)
def test_a_file_is_known_by_its_beginning(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    assert file_kind(tmp_path / "x.csv") == kind


def test_what_is_no_file_is_known_too(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    assert file_kind(tmp_path / "link.csv") == "a link to nothing"
    assert file_kind(tmp_path / "pipe.csv") == "no regular file"
    assert file_kind(tmp_path) == "a folder"
    assert file_kind(tmp_path / "x.csv") == "nothing"


def test_text_that_cannot_be_decoded_names_the_byte(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes("x\né\n".encode("latin-1"))
    with pytest.raises(UnicodeDecodeError) as caught:
        (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert not_utf8(tmp_path / "x.csv", caught.value) == "text in another encoding (byte 0xe9)"
