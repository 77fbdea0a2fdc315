"""CSV and TSV: a row a sample in, with or without a header (skiprnn_export.channels); the columns of `rows.py` out.

The separator and the decimal mark are found as in training, in CSV and TSV alike (skiprnn_export.dialect).

All cells are text, of which the needed columns are converted: a column's type does not depend on what its first rows
hold, and an id keeps its spelling. Numbers are those of `skiprnn.numerals`. y is written as a JSON array.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

from skiprnn_export.channels import is_header
from skiprnn_export.dialect import decimal_of, first_lines, is_separator_line, separator_of
from skiprnn_service.errors import MessageError, ShapeError
from skiprnn_service.scoring.formats.base import Input, InputSpec, OutputSpec, Rows, Sink, encode
from skiprnn_service.scoring.formats.tables import SEQUENCE, check_names, pyarrow, read_table

_BLOCK = 1 << 20  # bytes that are parsed at a time; no line is longer
_MAX_BLANK_LINES = 1000  # before the first line


def read_csv(file: BinaryIO, spec: InputSpec) -> Input:
    """By pyarrow, block by block."""
    pa = pyarrow("csv", "compute")
    delimiter = _separator(file, spec)
    names, begin = _first_line(file, spec, delimiter), file.tell()
    numbers = [str(i) for i in range(len(names))]

    def scan(wanted: Sequence[str]) -> Iterable[Any]:
        file.seek(begin)
        columns = [numbers[names.index(name)] for name in wanted]
        reader = pa.csv.open_csv(
            file,
            read_options=pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False, column_names=numbers),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter),
            convert_options=pa.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        return (batch.rename_columns(wanted) for batch in reader)

    def decimal(wanted: Sequence[str]) -> str:
        return "." if delimiter == "," else _decimal(pa, scan(wanted))

    schema = pa.schema([(name, pa.string()) for name in names])
    return read_table(pa, schema, scan, spec, range(len(names)), decimal)


def _separator(file: BinaryIO, spec: InputSpec) -> str:
    lines = (line.decode("utf-8-sig", "replace") for line in iter(lambda: file.readline(_BLOCK), b""))
    found = separator_of(first_lines(islice(lines, _MAX_BLANK_LINES)), width=len(spec.features))
    file.seek(0)
    return found


def _decimal(pa: Any, batches: Iterable[Any]) -> str:
    """The decimal mark of all cells of these batches."""
    try:
        return decimal_of(_marked(pa, batches)) or "."
    except ValueError as error:
        raise ShapeError(f"CSV: {error}: write decimal points, or no thousands separators") from None


def _marked(pa: Any, batches: Iterable[Any]) -> Iterator[str]:
    """The cells in which a decimal mark may be."""
    for batch in batches:
        for column in batch.columns:
            text = column.fill_null("")
            yield from text.filter(pa.compute.match_substring_regex(text, "[.,]")).to_pylist()


def _first_line(file: BinaryIO, spec: InputSpec, delimiter: str) -> list[str]:
    """Names of the columns; those of the features where the first line is no header. Leaves the file at the rows."""
    begin, line = 0, b"\n"
    for _ in range(_MAX_BLANK_LINES):
        if line.isspace() or is_separator_line(line.decode("utf-8", "replace")):
            begin, line = file.tell(), file.readline(_BLOCK)
    if not line.strip():
        raise MessageError("CSV: expected a header or a sample, got none")
    try:
        (cells,) = csv.reader([line.decode("utf-8-sig")], delimiter=delimiter)
    except UnicodeDecodeError as error:
        raise MessageError(f"CSV: expected a header in UTF-8: {error}") from None
    check_names(cells, spec)
    named = {SEQUENCE, spec.sequence, *spec.carried}
    if is_header(cells, spec.features) or not named.isdisjoint(cell.strip() for cell in cells):
        return cells
    file.seek(begin)
    return [f"column {number}" for number in range(1, len(cells) + 1)]


class CsvWriter:
    """A line a row; no lists of updates."""

    def __init__(self, sink: Sink, spec: OutputSpec, *, delimiter: str = ",") -> None:
        self._sink, self._types, self._delimiter, self._begun = sink, spec.types, delimiter, False

    def write(self, rows: Rows) -> None:
        text, columns = io.StringIO(), rows.lists(self._types)
        lines = csv.writer(text, lineterminator="\n", delimiter=self._delimiter)
        if not self._begun:
            lines.writerow(columns)
            self._begun = True
        *others, y = columns.values()
        lines.writerows([*row, encode(outputs).decode()] for *row, outputs in zip(*others, y, strict=True))
        self._sink.write(text.getvalue().encode())

    def close(self) -> None: ...
