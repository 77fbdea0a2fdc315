"""CSV lines → samples, with errors that name the line and the column."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from skiprnn.channels import Feature, is_header, left_out, match
from skiprnn.numerals import parse_number
from skiprnn_cli.stream.missing import Missing

Notice = Callable[[str], None]  # shows a message


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
) -> Iterator[list[float]]:
    """A sample of `features` numbers a line, as the lines come. Blank lines are passed over.

    Args:
        source: name of the file, for the message of an error.
        channels: the features. A first line that names all of them says where they stand (`skiprnn.channels`).
        notice: is told which columns are left out.
        missing: an empty cell is NaN, unless this is ERROR.

    Raises:
        CsvError: another number of columns, a header that names some of the features alone, a cell that is not a finite
            number, or no sample at all.
    """
    rows = _rows(lines, source)
    where, first = next(rows, (source, []))
    columns = _Columns(features, source, missing)
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


def _rows(lines: Iterable[str], source: str) -> Iterator[tuple[str, list[str]]]:
    """Where a line is, and its cells."""
    reader = csv.reader(line.removeprefix("\ufeff") for line in lines)  # a pipe may begin with a mark
    try:
        for cells in reader:
            if cells:
                yield f"{source}, line {reader.line_num}", cells
    except csv.Error as error:
        raise CsvError(f"{source}, line {reader.line_num}: expected CSV: {error}") from None


class _Columns:
    """Which cells of a line are a sample."""

    def __init__(self, features: int, source: str, missing: Missing) -> None:
        self._source, self._names, self._missing = source, list[str](), missing
        self._chosen: Sequence[int] = range(features)
        self._width, self._as = features, "as the model has features"

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
        return [self._number(cells[column], where, column) for column in self._chosen]

    def _number(self, cell: str, where: str, column: int) -> float:
        if (value := parse_number(cell)) is not None:
            return value
        if not (empty := not cell.strip()) or self._missing is Missing.ERROR:
            raise self._not_a_number(cell, where, column, "; --missing wait or hold takes such rows" * empty)
        return math.nan

    def _not_a_number(self, cell: str, where: str, column: int, way_out: str) -> CsvError:
        name = f" ({self._names[column].strip()})" if self._names else ""
        return CsvError(f"{where}, column {column + 1}{name}: expected a number, got {cell!r}{way_out}")
