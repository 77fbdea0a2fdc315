"""A made recording with columns of labels, as `skiprnn.data.targets` sees one."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skiprnn.data.types import Signal
from skiprnn.numerals import parse_number


@dataclasses.dataclass(frozen=True)
class Made:
    """`columns`: of each the text of every sample, "" where the cell is empty."""

    columns: Mapping[str, Sequence[str]]
    name: str = "made.csv"
    group: str = "made.csv"
    paths: Sequence[Path] = ()
    decimal: str = "."

    @property
    def source(self) -> str:
        return self.name.partition("#")[0]

    @property
    def x(self) -> Signal:
        samples = len(next(iter(self.columns.values())))
        return np.sin(np.arange(samples, dtype=np.float32))[:, np.newaxis]

    def texts(self, column: str) -> list[str]:
        return list(self.columns[column])

    def floats(self, column: str) -> NDArray[np.float64]:
        return np.array([self._number(text) if text else np.nan for text in self.columns[column]])

    def _number(self, text: str) -> float:
        if (number := self.parsed(text)) is None:
            raise ValueError(f"{self.name}: expected a number, got {text!r}")
        return number

    def parsed(self, text: str) -> float | None:
        return parse_number(text, self.decimal)

    def row(self, index: int) -> int:
        return index + 1


def made(number: int = 0, group: str = "", **columns: list[str]) -> Made:
    """`0.csv`, of a group of its own unless one is given."""
    return Made(columns, f"{number}.csv", group or f"{number}.csv")
