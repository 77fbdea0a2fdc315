"""Made recordings of machines as CSV and Parquet files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def write(folder: Path, name: str, **columns: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(columns)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)


def machines(folder: Path, samples: int = 60) -> Path:
    """Six recordings of a fast and a slow machine; half of them CSV, half Parquet."""
    t = np.arange(samples)
    for number in range(6):
        kind, speed = ("fast", 0.9) if number % 2 else ("slow", 0.1)
        suffix = "csv" if number < 3 else "parquet"
        columns = {
            "ax [g]": np.sin(speed * t + number),
            "site": "here",
            "temperature": 20 + np.cos(0.3 * t),
            "kind": kind,
        }
        write(folder, f"{number}/recording.{suffix}", **columns)
    return folder
