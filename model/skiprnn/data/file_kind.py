"""What a file is that should have been a table, in a word or two for an error message. Imports nothing heavy."""

import gzip
from pathlib import Path

COMMENT = "a comment before the header"  # or a header that begins with a mark

_HEAD = 4096  # bytes
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"\x93NUMPY": "a NumPy array",
    b"RIFF": "a RIFF file, such as WAV",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"#": COMMENT,
}


def file_kind(path: Path) -> str:
    """What is at a path: `a link to nothing`, `an empty file`, `gzip`, `text that is not UTF-8`, …"""
    if not path.exists():
        return "a link to nothing" if path.is_symlink() else "nothing"
    if not path.is_file():
        return "a folder" if path.is_dir() else "no regular file"
    with path.open("rb") as file:
        return bytes_kind(file.read(_HEAD))


def unpacked_kind(path: Path) -> str:
    """The same of what is in a file whose name ends in `.gz`; of another file as it is."""
    if path.suffix.lower() != ".gz" or file_kind(path) != "gzip":
        return file_kind(path)
    try:
        with gzip.open(path) as file:
            return bytes_kind(file.read(_HEAD))
    except (OSError, EOFError):
        return "gzip that is cut short or damaged"


def checked_kind(path: Path) -> str:
    """The same of a file that is text, for CSV. Raises ValueError: it is not; the message says what it is."""
    if path.suffix.lower() == ".gz" and file_kind(path) != "gzip":
        raise ValueError(f"{path}: expected CSV in gzip, found {file_kind(path)}")
    if (kind := unpacked_kind(path)) not in ("text", COMMENT):
        raise ValueError(f"{path}: expected CSV in UTF-8, found {kind}")
    return kind


def bytes_kind(head: bytes) -> str:
    """What a file is that begins with these bytes."""
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        return "an empty file"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return "a binary file" if b"\0" in head else "text"


def not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    """What a file is that could not be decoded."""
    kind = unpacked_kind(path)
    if kind not in ("text", COMMENT):
        return kind
    return f"text in another encoding (byte 0x{error.object[error.start]:02x})"
