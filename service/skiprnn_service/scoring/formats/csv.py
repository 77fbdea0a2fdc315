"""CSV: a row a sample in, with or without a header (skiprnn_export.channels); a row a sequence out, never its updates.

All cells are text, of which the needed columns are converted: a column's type does not depend on what its first rows
hold, and an id keeps its spelling. Numbers are those of `skiprnn.numerals`.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from skiprnn_export.channels import is_header
from skiprnn_service.errors import MessageError
from skiprnn_service.scoring.formats.base import Example, InputSpec, OutputSpec, Scored, Sink
from skiprnn_service.scoring.formats.tables import (
    SEQUENCE,
    Rows,
    check_names,
    collected,
    feature_columns,
    parsed,
    pyarrow,
    row_ids,
)

_BLOCK = 1 << 20  # bytes that are parsed at a time; no line is longer
_MAX_BLANK_LINES = 1000  # before the first line


def read_csv(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """By pyarrow, block by block."""
    pa = pyarrow("csv", "compute")
    names = _first_line(file, spec)
    values = feature_columns(names, range(len(names)), spec)
    id = names.index(SEQUENCE) if SEQUENCE in names else None
    columns = [str(i) for i in values] + ([] if id is None else [str(id)])
    reader = pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(
            block_size=_BLOCK, use_threads=False, column_names=[str(i) for i in range(len(names))]
        ),
        convert_options=pa.csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pa.string())
        ),
    )
    return collected(_rows(pa, reader, [names[i] for i in values], named=id is not None), spec)


def _first_line(file: BinaryIO, spec: InputSpec) -> list[str]:
    """Names of the columns; those of the features where the first line is no header. Leaves the file at the rows."""
    begin, line = 0, b"\n"
    for _ in range(_MAX_BLANK_LINES):
        if line.isspace():
            begin, line = file.tell(), file.readline(_BLOCK)
    if not line.strip():
        raise MessageError("CSV: expected a header or a sample, got none")
    try:
        (cells,) = csv.reader([line.decode("utf-8-sig")])
    except UnicodeDecodeError as error:
        raise MessageError(f"CSV: expected a header in UTF-8: {error}") from None
    check_names(cells, spec)
    if is_header(cells, spec.features) or SEQUENCE in cells:
        return cells
    file.seek(begin)
    return [f"column {number}" for number in range(1, len(cells) + 1)]


def _rows(pa: Any, batches: Any, names: list[str], *, named: bool) -> Iterator[Rows]:
    first = 0  # row of the batch
    for batch in batches:
        values = [parsed(pa, batch.column(i), name, first=first) for i, name in enumerate(names)]
        yield row_ids(pa, _named(pa, batch)) if named else None, np.column_stack(values)
        first += len(batch)


def _named(pa: Any, batch: Any) -> Any:
    """The ids, an empty cell as null."""
    ids = batch.column(batch.num_columns - 1)
    return pa.compute.if_else(pa.compute.equal(ids, ""), None, ids)


class CsvWriter:
    """Columns id, samples, update_count, and one an output."""

    def __init__(self, sink: Sink, spec: OutputSpec) -> None:
        self._sink = sink
        self._header = ["id", "samples", "update_count", *spec.outputs]

    def write(self, scored: Sequence[Scored]) -> None:
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if self._header:
            lines.writerow(self._header)
            self._header = []
        for id, (samples, t, y, _) in scored:
            lines.writerow([id, samples, len(t), *y[-1].tolist()])
        self._sink.write(text.getvalue().encode())

    def close(self) -> None: ...
