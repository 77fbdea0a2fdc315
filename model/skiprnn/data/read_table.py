"""A file → a table: CSV in whatever dialect, packed or not, or Parquet; or an error that says what the file is."""

import csv
import warnings
import zlib
from collections import Counter
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from skiprnn.channels import feature_of, without_mark
from skiprnn.data.file_kind import checked_kind, file_kind, not_utf8
from skiprnn.data.files import PARQUET
from skiprnn.data.table_file import TableFile, texts_of
from skiprnn.dialect import MISSING, first_lines, has_decimal_commas, open_text, separator_of

if TYPE_CHECKING:
    import pandas as pd


def read_table_file(
    path: Path,
    texts: Collection[str] = (),
    decimal: str = "",
    *,
    rows: int = 2,
    most_rows: int | None = None,
) -> TableFile:
    """Read a file; the columns named in `texts` as they are written.

    Args:
        decimal: the decimal mark of CSV; empty: a comma where the cells say so, and no comma separates them.
        rows: as many at least.
        most_rows: of CSV, only the first are read.

    Raises:
        ValueError: no such table, a column's name twice, or fewer rows; the message says what it is.
    """
    is_parquet = path.suffix.lower() in PARQUET
    frame, decimal = (_read_parquet(path), "") if is_parquet else _read_csv(path, texts, decimal, most_rows)
    frame.columns = [
        name if column else without_mark(name)
        for column, name in enumerate(str(name).strip() for name in frame.columns)
    ]
    counts = Counter(map(str, map(feature_of, frame.columns)))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{path}: expected a name for each column, got {twice} more than once")
    if len(frame) < rows:
        raise ValueError(f"{path}: expected a recording of at least {rows} samples, got {len(frame)}")
    for name in frame.select_dtypes("category").columns:
        frame[name] = frame[name].astype(object).infer_objects()  # values: a category may be of no row
    for name in [name for name in frame.columns if frame[name].dtype == object]:
        if isinstance(next(iter(frame[name].dropna()), None), Decimal):
            frame[name] = frame[name].astype(float)
    return TableFile(path, frame, decimal)


def _read_csv(
    path: Path, texts: Collection[str], decimal: str, most_rows: int | None
) -> tuple["pd.DataFrame", str]:
    """Rows and the decimal mark. Of the columns in `texts` only an empty cell is missing."""
    import pandas as pd

    kind = checked_kind(path)
    try:
        separator = _separator_of(path, decimal)
        frame = _parsed_csv(path, texts, separator, decimal or ".", most_rows)
        if not decimal and separator != "," and _has_decimal_commas(path, frame):
            decimal = ","
            frame = _parsed_csv(path, texts, separator, decimal, most_rows)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected CSV in UTF-8, found {not_utf8(path, error)}") from None
    except (EOFError, zlib.error):
        raise ValueError(f"{path}: expected CSV in gzip, found it cut short or damaged") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, csv.Error) as error:
        raise ValueError(f"{path}: expected CSV, found {kind}: {error}") from None
    return frame, decimal or "."


def _separator_of(path: Path, decimal: str) -> str:
    with open_text(path) as file:
        lines = first_lines(file)
    try:
        return separator_of(lines, decimal)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _parsed_csv(
    path: Path, texts: Collection[str], separator: str, decimal: str, most_rows: int | None
) -> "pd.DataFrame":
    import pandas as pd

    header = _header(path, separator)
    as_text = [name for name in header if {name.strip(), without_mark(name)} & set(texts)]
    with warnings.catch_warnings(), open_text(path) as file:
        warnings.simplefilter("error", pd.errors.ParserWarning)  # more cells than names
        frame = pd.read_csv(
            file,
            sep=separator,
            decimal=decimal,
            dtype=dict.fromkeys(as_text, str),
            keep_default_na=False,
            na_values={name: [""] if name in as_text else list(MISSING) for name in header},
            index_col=False,
            low_memory=False,
            nrows=most_rows,
        )
    return frame.set_axis(
        [name if name.strip() else f"Unnamed: {i}" for i, name in enumerate(header)], axis=1
    )


def _header(path: Path, separator: str) -> list[str]:
    with open_text(path) as lines:
        return next(row for row in csv.reader(lines, delimiter=separator) if row)


def _has_decimal_commas(path: Path, frame: "pd.DataFrame") -> bool:
    from pandas.api import types

    kept = {str(name): frame.iloc[:, i] for i, name in enumerate(frame.columns)}
    texts = {name: texts_of(c.drop_duplicates()) for name, c in kept.items() if not types.is_numeric_dtype(c)}
    points = [name for name, c in kept.items() if types.is_float_dtype(c) and (c.dropna() % 1 != 0).any()]
    try:
        return has_decimal_commas(texts, points)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _read_parquet(path: Path) -> "pd.DataFrame":
    """An index that is not a plain count of the rows is a column: pandas writes times there."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError, NotImplementedError) as error:
        kind = file_kind(path).replace("Parquet", "one that is cut short or damaged")
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: expected a Parquet file, found {kind}: {reason}") from None
    if isinstance(frame.index, pd.RangeIndex):
        return frame.reset_index(drop=True)
    names = [
        f"__index_level_{level}__" if name is None else str(name)
        for level, name in enumerate(frame.index.names)
    ]
    return frame.reset_index(names=names)
