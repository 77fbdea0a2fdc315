"""CSV lines → samples, with errors that name the line and the column.

A file's dialect is found as in training. Of a pipe nothing is held back: its first line tells the separator, and the
first cell with a mark the decimal mark.
"""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from skiprnn.channels import Feature, is_header, left_out, match
from skiprnn.dialect import (
    MISSING,
    Dialect,
    decimal_of,
    first_lines,
    is_separator_line,
    open_lines,
    separator_of,
)
from skiprnn.numerals import parse_number
from skiprnn_cli.stream.missing import Missing

Notice = Callable[[str], None]  # shows a message

_UNKNOWN = Dialect()
_WAY_OUT = "--decimal , or --decimal . says which"


class CsvError(ValueError):
    """A line that is not a sample; the message has the place and the reason."""


def read_samples(
    lines: Iterable[str],
    features: int,
    *,
    source: str,
    channels: Sequence[Feature] = (),
    notice: Notice | None = None,
    missing: Missing = Missing.ERROR,
    dialect: Dialect = _UNKNOWN,
) -> Iterator[list[float]]:
    """A sample of `features` numbers a line, as the lines come. Blank lines are passed over.

    Args:
        source: name of the file, for the message of an error.
        channels: the features. A first line that names all of them says where they stand (`skiprnn.channels`).
        notice: is told which columns are left out.
        missing: an empty cell, or `nan`, is NaN, unless this is ERROR.
        dialect: what is not known of it is found from the lines as they come.

    Raises:
        CsvError: another number of columns, a header that names some of the features alone, a cell that is not a finite
            number, a decimal mark that cannot be told, or no sample at all.
    """
    separator, lines = _separated(lines, features, source, dialect)
    rows = _rows(lines, source, separator)
    where, first = next(rows, (source, []))
    columns = _Columns(features, source, missing, "." if separator == "," else dialect.decimal)
    empty = True
    if is_header(first, channels):
        columns.read_header(first, where, channels, notice)
    elif first:
        yield columns.sample(first, where)
        empty = False
    for where, cells in rows:
        yield columns.sample(cells, where)
        empty = False
    if empty:
        raise CsvError(f"{source}: expected a sample a line, found none")


def file_dialect(path: Path, features: int, channels: Sequence[Feature] = (), decimal: str = "") -> Dialect:
    """The dialect of a file that can be read twice.

    Args:
        features, channels: as for `read_samples`; the cells of these columns tell the decimal mark.
        decimal: it, where it is known.

    Raises:
        CsvError: it cannot be told, or only decimal commas could separate the cells.
    """
    with open_lines(path) as lines:
        separator = _separator(first_lines(lines), features, str(path), decimal)
    if decimal or separator == ",":
        return Dialect(separator, decimal or ".")
    with open_lines(path) as lines:
        cells = _cells(_rows(lines, str(path), separator), features, channels)
        try:
            return Dialect(separator, decimal_of(cells) or ".")
        except (UnicodeDecodeError, CsvError):
            raise
        except ValueError as error:
            raise CsvError(f"{path}: {error}; {_WAY_OUT}") from None


def _cells(
    rows: Iterator[tuple[str, list[str]]], features: int, channels: Sequence[Feature]
) -> Iterator[str]:
    """Of the channels. What is wrong with a row is found when it is read."""
    _, first = next(rows, ("", []))
    chosen: Sequence[int] = range(features)
    if is_header(first, channels):
        try:
            chosen = match(first, channels) or chosen
        except ValueError:
            return
    for cells in chain([first], (cells for _, cells in rows)):
        yield from (cells[column] for column in chosen if column < len(cells))


def _separated(
    lines: Iterable[str], features: int, source: str, dialect: Dialect
) -> tuple[str, Iterator[str]]:
    """What separates the cells, and all lines; those of which it is found are put back."""
    rest, begin = iter(lines), list[str]()
    if not dialect.separator:
        for line in rest:
            begin.append(line.removeprefix("\ufeff"))  # a pipe may begin with a mark
            if first_lines(begin):
                break
    separator = dialect.separator or _separator(first_lines(begin), features, source, dialect.decimal)
    return separator, chain(begin, rest)


def _separator(lines: Sequence[str], features: int, source: str, decimal: str) -> str:
    try:
        return separator_of(lines, decimal, width=features)
    except ValueError as error:
        raise CsvError(f"{source}: {error}") from None
    except csv.Error as error:
        raise CsvError(f"{source}, line 1: expected CSV: {error}") from None


def _rows(lines: Iterable[str], source: str, separator: str) -> Iterator[tuple[str, list[str]]]:
    """Where a line is, and its cells."""
    reader = csv.reader(_without_excels_line(lines), delimiter=separator)
    try:
        for cells in reader:
            if cells:
                yield f"{source}, line {reader.line_num}", cells
    except csv.Error as error:
        raise CsvError(f"{source}, line {reader.line_num}: expected CSV: {error}") from None


def _without_excels_line(lines: Iterable[str]) -> Iterator[str]:
    """A blank line instead, which keeps the numbers of the others."""
    for number, line in enumerate(lines):
        yield "\n" if number == 0 and is_separator_line(line) else line


class _Columns:
    """Which cells of a line are a sample."""

    def __init__(self, features: int, source: str, missing: Missing, decimal: str) -> None:
        self._source, self._names, self._missing = source, list[str](), missing
        self._chosen: Sequence[int] = range(features)
        self._width, self._as = features, "as the model has features"
        self._decimal = decimal  # empty: no cell has told it yet

    def read_header(
        self,
        names: list[str],
        where: str,
        channels: Sequence[Feature],
        notice: Notice | None,
    ) -> None:
        try:
            chosen = match(names, channels)
        except ValueError as error:
            raise CsvError(f"{where}: {error}") from None
        self._names = names
        if chosen is None:
            return self._check_width(names, where)
        self._chosen, self._width, self._as = chosen, len(names), "as the first line has names"
        if (others := left_out(names, chosen)) and notice is not None:
            notice(f"{self._source}: columns left out: {', '.join(others)}")
        return None

    def _check_width(self, cells: list[str], where: str) -> None:
        if len(cells) != self._width:
            raise CsvError(f"{where}: expected {self._width} columns, {self._as}, got {len(cells)}")

    def sample(self, cells: list[str], where: str) -> list[float]:
        self._check_width(cells, where)
        self._decimal = self._decimal or self._told(cells, where)
        return [self._number(cells[column], where, column) for column in self._chosen]

    def _told(self, cells: list[str], where: str) -> str:
        try:
            return decimal_of(cells[column] for column in self._chosen)
        except ValueError as error:
            raise CsvError(f"{where}: {error}; {_WAY_OUT}") from None

    def _number(self, cell: str, where: str, column: int) -> float:
        if (value := parse_number(cell, self._decimal or ".")) is not None:
            return value
        if not (empty := cell.strip() in MISSING) or self._missing is Missing.ERROR:
            raise self._not_a_number(cell, where, column, "; --missing wait or hold takes such rows" * empty)
        return math.nan

    def _not_a_number(self, cell: str, where: str, column: int, way_out: str) -> CsvError:
        name = f" ({self._names[column].strip()})" if self._names else ""
        return CsvError(f"{where}, column {column + 1}{name}: expected a number, got {cell!r}{way_out}")
