"""Tables as files, and as they are after reading."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skiprnn.channels import feature_of
from skiprnn.data.read_table import read_table_file
from skiprnn.data.table_file import TableFile

SPRING = datetime(2024, 3, 1, 10, tzinfo=UTC).timestamp()


def csv_file(folder: Path, text: str | bytes, texts: Sequence[str] = ("label",)) -> TableFile:
    path = folder / "run.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table_file(path, texts)


def parquet_file(folder: Path, **columns: Any) -> TableFile:
    pd.DataFrame(columns).to_parquet(folder / "run.parquet")
    return read_table_file(folder / "run.parquet", ["label"])


def samples(file: TableFile, *features: str) -> list[list[float]]:
    x: list[list[float]] = file.samples([feature_of(name) for name in features]).tolist()
    return x


def table(**columns: Any) -> TableFile:
    """As a file with types; text columns are the same in CSV."""
    return TableFile(Path("run.csv"), pd.DataFrame(columns), ".")


def iso(times: np.ndarray, zone: str = "") -> list[str]:
    return [datetime.fromtimestamp(SPRING + t, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + zone for t in times]
