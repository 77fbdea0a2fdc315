"""CSV lines → samples, with errors that name the line and the column."""

import csv
import math
from collections.abc import Iterable, Iterator


class CsvError(ValueError):
    """A line that is not a sample; the message has the place and the reason."""


def read_samples(lines: Iterable[str], features: int, *, source: str) -> Iterator[list[float]]:
    """A sample of `features` numbers a line, as the lines come. A first line of names and blank lines are passed over.

    Args:
        source: name of the file, for the message of an error.

    Raises:
        CsvError: another number of columns, or a cell that is not a finite number.
    """
    names: list[str] = []
    reader = csv.reader(lines)
    first = True
    for cells in reader:
        if not cells:
            continue
        where = f"{source}, line {reader.line_num}"
        if len(cells) != features:
            raise CsvError(
                f"{where}: expected {features} columns, as the model has features, got {len(cells)}"
            )
        if first and not any(_is_number(cell) for cell in cells):
            names = cells
        else:
            yield [_number(cell, where, column, names) for column, cell in enumerate(cells)]
        first = False


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, where: str, column: int, names: list[str]) -> float:
    if _is_number(cell) and math.isfinite(value := float(cell)):
        return value
    name = f" ({names[column].strip()})" if names else ""
    raise CsvError(f"{where}, column {column + 1}{name}: expected a number, got {cell!r}")
