"""One recording as a file: CSV or Parquet → columns of numbers and of words, or an error that names the file."""

import csv
import dataclasses
import functools
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skiprnn.channels import Feature, feature_of, match, without_mark
from skiprnn.data.file_kind import COMMENT, file_kind, not_utf8
from skiprnn.data.spelling import text_of
from skiprnn.numerals import looks_like_a_number, parse_number

if TYPE_CHECKING:
    import pandas as pd


class Kind(StrEnum):
    """What the cells of a column are."""

    NUMBERS = "numbers"
    WORDS = "words"
    MIXED = "numbers and words"
    TIMES = "dates or durations"
    EMPTY = "empty"


@dataclasses.dataclass(frozen=True)
class TableFile:
    """The rows of a file. `names` are those of its columns, without blanks around them."""

    path: Path
    frame: "pd.DataFrame"

    @property
    def names(self) -> list[str]:
        return list(self.frame.columns)

    def kind(self, name: str) -> Kind:
        """What the cells of a column are, of CSV by their text, of Parquet by its type."""
        from pandas.api import types

        column = self.frame[name]
        if column.isna().all():
            return Kind.EMPTY
        if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
            return Kind.TIMES
        if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
            return Kind.NUMBERS
        return self._kind_of_text(column) if self.path.suffix.lower() == ".csv" else Kind.WORDS

    def _kind_of_text(self, column: "pd.Series[str]") -> Kind:
        cells = [text for text in _texts(column.drop_duplicates()) if text.strip()]
        numbers = sum(parse_number(text) is not None for text in cells)
        if not cells:
            return Kind.EMPTY
        return Kind.WORDS if not numbers else Kind.NUMBERS if numbers == len(cells) else Kind.MIXED

    def column(self, feature: Feature) -> str | None:
        """Name of the column that holds a feature; None: there is none.

        Raises:
            ValueError: it has another unit, or there are two.
        """
        found = self._match(self._alike.get(feature.name, []), [feature])
        return None if found is None else found[0]

    @functools.cached_property
    def _alike(self) -> dict[str, list[str]]:
        """Name of a channel → the columns of that name, in whatever unit."""
        alike: dict[str, list[str]] = {}
        for name in self.names:
            alike.setdefault(feature_of(name).name, []).append(name)
        return alike

    def _match(self, names: Sequence[str], features: Sequence[Feature]) -> list[str] | None:
        try:
            found = match(names, features)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        return None if found is None else [names[index] for index in found]

    def samples(self, features: Sequence[Feature]) -> NDArray[np.float32]:
        """x [T, F], columns in the order of the features.

        Raises:
            ValueError: a feature is missing, or a cell is no finite number; the message has its row and column.
        """
        names = self._match(self.names, features)
        if names is None:
            raise self.lacks([str(feature) for feature in features])
        return np.stack([self._numbers(name) for name in names], axis=1)

    def _numbers(self, name: str) -> NDArray[np.float32]:
        if self.kind(name) not in (Kind.NUMBERS, Kind.EMPTY):
            raise self.odd_cell(name)
        column = self.frame[name]
        if (missing := column.isna().to_numpy()).any():
            raise self._missing(name, int(missing.argmax()))
        with np.errstate(over="ignore"):
            values = self.floats(name).astype(np.float32)
        if not np.isfinite(values).all():
            row = int(np.isfinite(values).argmin())
            got = f"{column.iloc[row]} in row {row + 1}"
            raise ValueError(f"{self.path}: expected finite numbers in {name!r}, got {got}")
        return values

    def floats(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, [T]; NaN where a cell is empty."""
        from pandas.api.types import is_numeric_dtype

        column = self.frame[name]
        if not is_numeric_dtype(column):
            return np.array([np.nan if (x := parse_number(text)) is None else x for text in _texts(column)])
        values: NDArray[np.float64] = column.to_numpy(np.float64, na_value=np.nan)
        return values

    def texts(self, name: str) -> list[str]:
        """The text of every row, as it was written. Raises ValueError: no such column, or an empty cell."""
        if name not in self.names:
            raise self.lacks([name])
        texts = _texts(self.frame[name])
        if (row := next((row for row, text in enumerate(texts) if not text.strip()), None)) is not None:
            raise self._missing(name, row)
        return texts

    def lacks(self, names: Sequence[str]) -> ValueError:
        """An error: columns are missing."""
        no_header = any(map(looks_like_a_number, self.names)) or file_kind(self.path) == COMMENT
        header = f"; expected names in the first line, found {self._first_line()}" if no_header else ""
        return ValueError(
            f"{self.path}: expected the columns {list(names)}, found none named "
            f"{[name for name in names if name not in self.names]} among {self.names}{header}"
        )

    def _first_line(self) -> str:
        return COMMENT if file_kind(self.path) == COMMENT else "numbers"

    def odd_cell(self, name: str) -> ValueError:
        """An error: a cell of a column of numbers is none."""
        texts = _texts(self.frame[name])
        odd = (row for row, text in enumerate(texts) if text.strip() and parse_number(text) is None)
        row = next(odd, 0)
        return ValueError(
            f"{self.path}: expected numbers in {name!r}, got {texts[row]!r} in row {row + 1}; put it right, or name "
            "the channels with --override columns=…"
        )

    def _missing(self, name: str, row: int) -> ValueError:
        return ValueError(f"{self.path}: expected a value in row {row + 1} of {name!r}, found none")


def _texts(column: "pd.Series[Any]") -> list[str]:
    return [text_of(value) for value in column.astype(object).where(column.notna(), None)]


def read_table_file(path: Path, texts: Collection[str]) -> TableFile:
    """Read a file; the columns named in `texts` as they are written.

    Raises:
        ValueError: no such table, a column's name twice, or fewer than two rows; the message says what it is.
    """
    frame = _read_csv(path, texts) if path.suffix.lower() == ".csv" else _read_parquet(path)
    frame.columns = [
        name if column else without_mark(name)
        for column, name in enumerate(str(name).strip() for name in frame.columns)
    ]
    counts = Counter(map(str, map(feature_of, frame.columns)))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{path}: expected a name for each column, got {twice} more than once")
    if len(frame) < 2:
        raise ValueError(f"{path}: expected a recording of at least 2 samples, got {len(frame)}")
    for name in frame.select_dtypes("category").columns:
        frame[name] = frame[name].astype(object).infer_objects()  # values: a category may be of no row
    return TableFile(path, frame)


def _read_csv(path: Path, texts: Collection[str]) -> "pd.DataFrame":
    """Only an empty cell is missing."""
    import pandas as pd

    if (kind := file_kind(path)) not in ("text", COMMENT):
        raise ValueError(f"{path}: expected CSV in UTF-8, found {kind}")
    try:
        header = _header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # more cells than names
            frame = pd.read_csv(
                path,
                dtype={name: str for name in header if {name.strip(), without_mark(name)} & set(texts)},
                keep_default_na=False,
                na_values=[""],
                index_col=False,
                low_memory=False,
                encoding="utf-8-sig",
            )
        named = [name if name.strip() else str(old) for name, old in zip(header, frame.columns, strict=True)]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected CSV in UTF-8, found {not_utf8(path, error)}") from None
    except (ValueError, pd.errors.ParserWarning, csv.Error) as error:
        raise ValueError(f"{path}: expected CSV, found {kind}: {error}") from None
    return frame.set_axis(named, axis=1)


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return next(row for row in csv.reader(lines) if row)


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (ValueError, OSError, NotImplementedError) as error:
        kind = file_kind(path).replace("Parquet", "one that is cut short or damaged")
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: expected a Parquet file, found {kind}: {reason}") from None
