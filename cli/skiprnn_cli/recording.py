"""`skiprnn export --recording`: real samples beside the bundle, for the dashboard to play.

    NAME.recording.csv      the features in the network's order, then `label`: the truth of each sample, if known

It holds data as it was measured, and whoever may open streams can download it: so nothing is written unless asked for.
"""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skiprnn_service.models.folder import MOST_RECORDING_BYTES, RECORDING

if TYPE_CHECKING:
    from skiprnn import NetworkConfig
    from skiprnn.data.table_file import TableFile

LABEL = "label"  # the column's name in what is written


def read(source: Path, run: Path) -> str:
    """A CSV or Parquet file of samples → the text to write: as many of its first samples as fit.

    Args:
        run: of the network; its training.json says which column has the labels.

    Raises:
        ValueError, OSError: the file cannot be read, or lacks a feature; the message says which.
    """
    from skiprnn import SkipNetwork
    from skiprnn.data.read_table import read_table_file
    from skiprnn_export.step import features_of

    config, columns = SkipNetwork.load(run).config, _label_columns(run)
    table = read_table_file(source, columns)
    features = features_of(config)
    x = table.samples(features)
    header = [str(feature) for feature in features]
    labels = _labels(table, columns, config)
    if labels is None:
        return _text([header, *x.astype(str).tolist()])
    rows = [[*sample, label] for sample, label in zip(x.astype(str).tolist(), labels, strict=True)]
    return _text([[*header, LABEL], *rows])


def write(text: str, bundle: Path) -> Path:
    """Write it beside a bundle; returns where."""
    path = bundle.with_suffix(RECORDING)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text, encoding="utf-8", newline="")
    unfinished.replace(path)
    return path


def _label_columns(run: Path) -> list[str]:
    """The columns that training took the labels from."""
    path = run / "training.json"
    facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    said = str(facts.get("options", {}).get("label") or LABEL)
    return [name.strip() for name in said.split(",")]


def _labels(table: "TableFile", columns: Sequence[str], config: "NetworkConfig") -> list[str] | None:
    """Of every sample; a file in a folder that is named like a class is all of it. None: nobody knows."""
    if set(columns) <= set(table.names):
        cells = [table.frame[column].fillna("").astype(str).str.strip() for column in columns]
        return [_label(row, columns, config) for row in zip(*cells, strict=True)]
    folder = table.path.resolve().parent.name
    return [folder] * len(table.frame) if folder in config.classes else None


def _label(cells: Sequence[str], columns: Sequence[str], config: "NetworkConfig") -> str:
    """One column as it stands; several values as `a;b`; labels of 0 and 1 by the names of those that hold."""
    if len(cells) == 1 or "" in cells:
        return cells[0] if len(cells) == 1 else ""
    if not config.multi_label:
        return ";".join(cells)
    return ";".join(name for name, cell in zip(columns, cells, strict=True) if float(cell)) or "none"


def _text(rows: Iterable[Sequence[str]]) -> str:
    """CSV, of at most the size that a server holds."""
    lines = [_line(row) for row in rows]
    sizes = itertools.accumulate(len(line.encode()) for line in lines)
    return "".join(line for line, size in zip(lines, sizes, strict=True) if size <= MOST_RECORDING_BYTES)


def _line(row: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()
