"""How a table is written as text: what separates its cells, and whether a decimal point or a decimal comma is used."""

import csv
import gzip
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

SEPARATORS = (",", ";", "\t")

_SEPARATOR_LINE = re.compile(r"sep=.\s*")
_LINES = 20  # that tell the separator
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)  # 1,234 may be 1234 as well
_WAY_OUT = "say which with decimal=, or decimal=."


def open_text(path: Path) -> TextIO:
    """A file of text in UTF-8, unpacked where its name ends in `.gz`; without a byte order mark, or Excel's `sep=;`."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    file = cast(TextIO, opened(path, "rt", encoding="utf-8-sig", newline=""))
    try:
        if not _SEPARATOR_LINE.fullmatch(file.readline()):
            file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def separator_of(path: Path, decimal: str = "") -> str:
    """What separates the cells: that which gives every line as many cells as the header, and the most.

    Args:
        decimal: the decimal mark, if it is known: a decimal comma separates nothing.

    Raises:
        ValueError: only commas could separate, and they are decimal.
    """
    with open_text(path) as file:
        lines = list(islice((line for line in file if line.strip()), _LINES))
    possible = [separator for separator in SEPARATORS if separator != decimal]
    widths = {separator: _widths(lines, separator) for separator in possible}
    split = [separator for separator in possible if widths[separator][:1] > [1]]
    if not split and decimal == "," and "," in "".join(lines[:1]):
        raise ValueError("expected semicolons or tabs between cells beside decimal commas, found neither")
    return max(
        split or possible[:1],
        key=lambda separator: (len(set(widths[separator])) == 1, *widths[separator][:1]),
    )


def _widths(lines: Sequence[str], separator: str) -> list[int]:
    return [len(row) for row in csv.reader(lines, delimiter=separator) if row]


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
