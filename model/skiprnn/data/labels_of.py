"""What holds for a whole recording: from the folder it lies in, its name, or a row of a side table.

folder        the folder that the file lies in: `walk` for `ann/walk/7.csv`
top_folder    the outermost one within the data: `ann`
name          the file's name up to the first `_`, blank or digit: `walk` for `walk_03.csv` and `walk-3.csv`
name:PATTERN  what the first group of a regular expression finds in it, or all that it finds without a group
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from skiprnn.data.files import stem
from skiprnn.data.read_table import read_table_file
from skiprnn.data.table_file import TableFile

WAYS = ("folder", "top_folder", "name", "name:PATTERN")

_BEGINNING = re.compile(r"[^\d\s_]+")
KEYS = ("recording", "file", "filename", "file_name", "name", "path", "id")  # columns of a side table


def value_of(name: str, way: str) -> str:
    """The value that a recording has.

    Args:
        name: path of the file within the data, with `/`.
        way: one of `WAYS`.

    Raises:
        ValueError: no such way, or the name has no such part.
    """
    path = PurePosixPath(name)
    if way in ("folder", "top_folder"):
        if len(path.parts) < 2:
            raise ValueError(f"{name}: expected a file in a folder of that name, found it in none")
        return path.parts[-2] if way == "folder" else path.parts[0]
    found = _pattern(way).search(stem(path.name))
    value = found and (found.group(1) if found.re.groups else found.group()).rstrip("-. ")
    if not value:
        raise ValueError(f"{name}: expected a name that {way!r} finds a value in, got {stem(path.name)!r}")
    return value


def check_way(way: str, option: str) -> None:
    """Raises ValueError: no such way; the message names the option."""
    try:
        if way:
            _ = way in ("folder", "top_folder") or _pattern(way)
    except (ValueError, re.error) as error:
        raise ValueError(f"{option}: expected one of {', '.join(WAYS)}, got {way!r}: {error}") from None


def _pattern(way: str) -> re.Pattern[str]:
    kind, colon, pattern = way.partition(":")
    if kind != "name":
        raise ValueError("no such way")
    return re.compile(pattern) if colon else re.compile(rf"^{_BEGINNING.pattern}")


@dataclasses.dataclass(frozen=True)
class SideTable:
    """A table with a row a recording: a column of their names or ids, and what holds for each."""

    table: TableFile
    key: str
    rows: Mapping[str, int]

    @property
    def columns(self) -> list[str]:
        return [name for name in self.table.names if name != self.key]

    def values(self, names: Sequence[str]) -> dict[str, str]:
        """What holds for a recording, by column; an empty cell holds nothing.

        Args:
            names: any of them may stand in the table.

        Raises:
            ValueError: it has no row; the message names the file.
        """
        row = next((self.rows[name] for name in names if name in self.rows), None)
        if row is None:
            raise ValueError(
                f"{self.table.path}: expected a row for {names[0]!r} in {self.key!r}, found none"
            )
        cells = {name: _cells(self.table, name)[row] for name in self.columns}
        return {name: text for name, text in cells.items() if text}


def read_side_table(path: Path, recordings: Sequence[Sequence[str]], decimal: str = "") -> SideTable:
    """A side table; the column that holds the recordings' names is found.

    Args:
        recordings: of each, the names that it may have in the table.

    Raises:
        ValueError: no column holds them, or one of them twice; the message names the file.
    """
    header = read_table_file(path, decimal=decimal, rows=1).names
    table = read_table_file(path, header, decimal, rows=1)
    known = {name for names in recordings for name in names}
    keys = sorted(table.names, key=lambda name: name.lower() not in KEYS)
    key = next((name for name in keys if known & set(_cells(table, name))), None)
    if key is None:
        raise ValueError(
            f"{path}: expected a column of the recordings' names, such as {recordings[0][0]!r}, found none among "
            f"{table.names}"
        )
    rows: dict[str, int] = {}
    for row, name in enumerate(_cells(table, key)):
        if rows.setdefault(name, row) != row:
            raise ValueError(
                f"{path}: expected one row for {name!r}, got rows {rows[name] + 1} and {row + 1}"
            )
    return SideTable(table, key, rows)


def _cells(table: TableFile, column: str) -> list[str]:
    return [text.strip() for text in table.texts(column)]
