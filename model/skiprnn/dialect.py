"""How a table is written as text: what separates its cells, and whether a decimal point or a decimal comma is used.

The one rule of training, `skiprnn stream`, scoring and the dashboard. `page/dialect.js` holds it too;
`tests/support/table_cases.json` holds all to it.
"""

import csv
import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO, cast

SEPARATORS = (",", ";", "\t")
MISSING = ("", "nan", "NaN", "NAN")  # cells without a value

_SEPARATOR_LINE = re.compile(r"\ufeff?sep=.\s*")
_LINES = 20  # that tell the separator
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_POINT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)  # 1,234 may be 1234 as well
_WAY_OUT = "say which with decimal=, or decimal=."


class Dialect(NamedTuple):
    """What separates the cells, and the decimal mark; empty: it is to be found."""

    separator: str = ""
    decimal: str = ""


def open_lines(path: Path) -> TextIO:
    """A file of text in UTF-8, unpacked where its name ends in `.gz`; without a byte order mark."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    return cast(TextIO, opened(path, "rt", encoding="utf-8-sig", newline=""))


def open_text(path: Path) -> TextIO:
    """The same without Excel's `sep=;`. The file can seek."""
    file = open_lines(path)
    try:
        if not is_separator_line(file.readline()):
            file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def is_separator_line(line: str) -> bool:
    """Whether a first line is Excel's `sep=;`, which is no row."""
    return _SEPARATOR_LINE.fullmatch(line) is not None


def first_lines(lines: Iterable[str]) -> list[str]:
    """Those that tell the separator: the first that are not blank, and no `sep=;`."""
    return list(islice((line for line in lines if line.strip() and not is_separator_line(line)), _LINES))


def separator_of(lines: Sequence[str], decimal: str = "", *, width: int = 0) -> str:
    """What separates the cells: that which gives every line as many cells as the first, and the most.

    Args:
        lines: the `first_lines` of a table.
        decimal: the decimal mark, if it is known: a decimal comma separates nothing.
        width: how many cells a line without names has, where that is known: as many come before the most.

    Raises:
        ValueError: only commas could separate, and they are decimal.
    """
    possible = [separator for separator in SEPARATORS if separator != decimal]
    widths = {separator: _widths(lines, separator) for separator in possible}
    split = [separator for separator in possible if widths[separator][:1] > [1]]
    if not split and decimal == "," and width != 1 and "," in "".join(lines[:1]):
        raise ValueError("expected semicolons or tabs between cells beside decimal commas, found neither")

    def fit(separator: str) -> tuple[bool, bool, int]:
        found = widths[separator]
        return len(set(found)) == 1, found[:1] == [width], sum(found[:1])

    return max(split or possible[:1], key=fit)


def is_table(lines: Sequence[str]) -> bool:
    """Whether lines have as many cells, two at least, by some separator: prose has not."""
    widths = [_widths(lines, separator) for separator in SEPARATORS]
    return any(len(width) > 1 and width[0] > 1 and len(set(width)) == 1 for width in widths)


def _widths(lines: Sequence[str], separator: str) -> list[int]:
    """Cells of each line; none where a cell would be longer than the csv module takes (128 KiB)."""
    try:
        return [len(row) for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return []


def decimal_of(cells: Iterable[str]) -> str:
    """The decimal mark of cells that no comma separates: that of the first that tells; empty: none has a mark.

    Raises:
        ValueError: it cannot be told; the message has a cell.
    """
    doubtful = ""
    for cell in map(str.strip, cells):
        if _POINT.fullmatch(cell):
            return "."
        if _COMMA.fullmatch(cell):
            if not _THOUSANDS.fullmatch(cell):
                return ","
            doubtful = doubtful or cell
    if doubtful:
        raise ValueError(
            f"expected to tell a decimal comma from one between thousands, got {doubtful!r}, which may be both"
        )
    return ""


def has_decimal_commas(texts: Mapping[str, Sequence[str]], points: Sequence[str]) -> bool:
    """Whether the cells of a table have decimal commas.

    Args:
        texts: of each column that holds text, its cells.
        points: columns of numbers with a decimal point.

    Raises:
        ValueError: it cannot be told, or both marks are there; the message names cell, column and way out.
    """
    found = [(cell.strip(), name) for name, cells in texts.items() for cell in cells if _is_comma(cell)]
    if not found:
        return False
    if points:
        raise ValueError(
            f"expected one decimal mark, got {found[0][0]!r} in {found[0][1]!r} and points in {points[0]!r}; {_WAY_OUT}"
        )
    if all(_THOUSANDS.fullmatch(cell) for cell, _ in found):
        raise ValueError(
            f"expected to tell a decimal comma from one between thousands, got {found[0][0]!r} in {found[0][1]!r}, "
            f"which may be both; {_WAY_OUT}"
        )
    return True


def _is_comma(cell: str) -> bool:
    return _COMMA.fullmatch(cell.strip()) is not None
