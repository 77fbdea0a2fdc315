"""A table of a file: columns of numbers and of words, or an error that names the file and the row."""

import dataclasses
import functools
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skiprnn.channels import Feature, feature_of, match
from skiprnn.data.file_kind import COMMENT, file_kind
from skiprnn.data.gaps import Missing
from skiprnn.data.spelling import text_of
from skiprnn.numerals import looks_like_a_number, parse_number

if TYPE_CHECKING:
    import pandas as pd

FILL = "missing=interpolate (or hold) fills gaps, missing=drop cuts recordings at them"

_LARGEST = float(np.finfo(np.float32).max)


class Kind(StrEnum):
    """What the cells of a column are."""

    NUMBERS = "numbers"
    WORDS = "words"
    MIXED = "numbers and words"
    TIMES = "dates or durations"
    EMPTY = "empty"


@dataclasses.dataclass(frozen=True)
class TableFile:
    """Rows of a file.

    Attributes:
        frame: the columns by their names, without blanks around them; its index is the row in the file, from 0.
        decimal: the decimal mark of its numbers; empty: the file has types.
    """

    path: Path
    frame: "pd.DataFrame"
    decimal: str = ""

    @property
    def names(self) -> list[str]:
        return list(self.frame.columns)

    def part(self, rows: NDArray[np.int64]) -> "TableFile":
        """Some of the rows, by their place here, in this order."""
        return dataclasses.replace(self, frame=self.frame.iloc[rows])

    def row(self, index: int) -> int:
        """The number of a row in the file, the first is 1."""
        return int(self.frame.index[index]) + 1

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
        return self._kind_of_text(column) if self.decimal else Kind.WORDS

    def _kind_of_text(self, column: "pd.Series[str]") -> Kind:
        cells = [text for text in texts_of(column.drop_duplicates()) if text.strip()]
        numbers = sum(self.parsed(text) is not None for text in cells)
        if not cells:
            return Kind.EMPTY
        if not numbers and not any("," in cell and looks_like_a_number(cell) for cell in cells):
            return Kind.WORDS
        return Kind.NUMBERS if numbers == len(cells) else Kind.MIXED

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

    def has(self, name: str) -> bool:
        """Whether there is a column of that name, with its unit or without."""
        return name in self.names or name in self._alike

    def alike(self, name: str) -> str | None:
        """The one column of that name, in whatever unit; None: there is none, or there are several."""
        found = self._alike.get(name, [])
        return found[0] if len(found) == 1 else None

    def _match(self, names: Sequence[str], features: Sequence[Feature]) -> list[str] | None:
        try:
            found = match(names, features)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        return None if found is None else [names[index] for index in found]

    def matched(self, features: Sequence[Feature]) -> list[str]:
        """The columns that hold the features, in that order. Raises ValueError: one is missing."""
        names = self._match(self.names, features)
        if names is None:
            raise self.lacks([str(feature) for feature in features])
        return names

    def samples(self, features: Sequence[Feature]) -> NDArray[np.float32]:
        """x [T, F], columns in the order of the features.

        Raises:
            ValueError: a feature is missing, or a cell is no finite number; the message has its row and column.
        """
        names = self.matched(features)
        return np.stack([self.finite(name).astype(np.float32) for name in names], axis=1)

    def finite(self, name: str, missing: Missing = Missing.ERROR) -> NDArray[np.float64]:
        """A column of numbers that float32 holds, [T]; an empty cell is NaN, unless missing values are errors.

        Raises:
            ValueError: a cell is no such number; the message has its row.
        """
        if name not in self.names:
            raise self.lacks([name])
        values = self.floats(name)
        if self.kind(name) not in (Kind.NUMBERS, Kind.EMPTY):
            raise self.odd_cell(name)
        if (empty := np.isnan(values)).any() and missing is Missing.ERROR:
            raise self.gap(name, int(empty.argmax()))
        if (odd := np.abs(values) > _LARGEST).any():
            row = int(odd.argmax())
            got = f"{self.frame[name].iloc[row]} in row {self.row(row)}"
            raise ValueError(f"{self.path}: expected finite numbers in {name!r}, got {got}")
        return values

    def number(self, text: str, name: str) -> float:
        """The number that a recording's value is."""
        value = self.parsed(text)
        if value is None:
            raise ValueError(f"{self.path}: expected a number in {name!r}, got {text!r}")
        return value

    def floats(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, [T]; NaN where a cell is empty or none."""
        from pandas.api.types import is_numeric_dtype

        column = self.frame[name]
        if not is_numeric_dtype(column):
            return np.array([np.nan if (x := self.parsed(text)) is None else x for text in texts_of(column)])
        values: NDArray[np.float64] = column.to_numpy(np.float64, na_value=np.nan)
        return values

    def parsed(self, text: str) -> float | None:
        """The finite number that a cell's text is, by the decimal mark of the file; None: it is none."""
        return parse_number(text, self.decimal or ".")

    def texts(self, name: str) -> list[str]:
        """The text of every row, as it was written; "" where a cell is empty. Raises ValueError: no such column."""
        if name not in self.names:
            raise self.lacks([name])
        return [text if text.strip() else "" for text in texts_of(self.frame[name])]

    def whole_texts(self, name: str) -> list[str]:
        """The same of a column without empty cells. Raises ValueError: a cell is empty; the message has its row."""
        texts = self.texts(name)
        if "" in texts:
            raise self.empty(name, texts.index(""))
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
        texts = texts_of(self.frame[name])
        odd = (row for row, text in enumerate(texts) if text.strip() and self.parsed(text) is None)
        row = next(odd, 0)
        return ValueError(
            f"{self.path}: expected numbers in {name!r}, got {texts[row]!r} in row {self.row(row)}; put it right, or "
            "name the channels with columns=…"
        )

    def gap(self, name: str, row: int) -> ValueError:
        """An error: a value of a channel is missing."""
        return ValueError(f"{self.empty(name, row)}; {FILL}")

    def empty(self, name: str, row: int) -> ValueError:
        """An error: a cell is empty."""
        return ValueError(f"{self.path}: expected a value in row {self.row(row)} of {name!r}, found none")


def texts_of(column: "pd.Series[Any]") -> list[str]:
    """The cells as they were written; "" where one is empty."""
    return [text_of(value) for value in column.astype(object).where(column.notna(), None)]
