"""CSV: a header line, then a row a sample in (tables.py); a row a sequence out, never its updates."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from skiprnn_service.errors import MessageError
from skiprnn_service.scoring.formats.base import Example, InputSpec, OutputSpec, Scored, Sink
from skiprnn_service.scoring.formats.tables import examples, pyarrow

_BLOCK = 1 << 20  # bytes that are parsed at a time


def read_csv(file: BinaryIO, spec: InputSpec) -> Iterator[Example]:
    """By pyarrow, block by block."""
    pa = pyarrow("csv")
    try:
        options = pa.csv.ReadOptions(block_size=_BLOCK, use_threads=False)
        reader = pa.csv.open_csv(file, read_options=options)
        yield from examples(reader, reader.schema, spec)
    except UnicodeDecodeError as error:
        raise MessageError(f"CSV: expected a header in UTF-8: {error}") from None
    except (pa.ArrowException, OSError) as error:
        raise MessageError(f"CSV: {error}") from None


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
