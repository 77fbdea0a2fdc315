"""A messy folder, as people have them: mixed rates, gaps, dialects, times, identity columns, nested folders.

python tests/support/messy.py FOLDER
"""

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

SECONDS = 6.0
RATES = (25, 50, 50, 100)
CLASSES = {"rest": 1.0, "walk": 3.0}  # Hz of the movement
SUBJECTS = 4


class Kind(NamedTuple):
    """How a file is written."""

    suffix: str
    write: Callable[[pd.DataFrame, Path], None]


def _semicolons(frame: pd.DataFrame, path: Path) -> None:
    """Decimal commas, a byte order mark and CRLF, as a spreadsheet writes them."""
    text = frame.to_csv(sep=";", decimal=",", index=False, lineterminator="\r\n")
    path.write_bytes(text.encode("utf-8-sig"))


def _packed(frame: pd.DataFrame, path: Path) -> None:
    path.write_bytes(gzip.compress(frame.to_csv(index=False).encode(), mtime=0))


def _tabs(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, sep="\t", index=False)


def _with_index(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path)


def _parquet(frame: pd.DataFrame, path: Path) -> None:
    """The time as a typed index, as pandas users have it."""
    frame["time"] = pd.to_datetime(frame["time"], format="ISO8601")
    frame.set_index("time").to_parquet(path)


KINDS = (
    Kind(".csv", _semicolons),
    Kind(".csv.gz", _packed),
    Kind(".tsv", _tabs),
    Kind(".txt", _tabs),
    Kind(".csv", _with_index),
    Kind(".pq", _parquet),
)


def messy(folder: Path, recordings: int = 24) -> Path:
    """Recordings of 6 s at 25, 50 and 100 Hz, `SUBJECT/CLASS_NUMBER.*`; some have gaps, and one has shuffled rows."""
    rng = np.random.default_rng(0)
    for number in range(recordings):
        subject, label = number * SUBJECTS // recordings, list(CLASSES)[number % len(CLASSES)]
        frame = _frame(rng, RATES[number % len(RATES)], label, f"s{subject}")
        kind = KINDS[number % len(KINDS)]
        path = folder / f"s{subject}" / f"{label}_{number:02d}{kind.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind.write(_gap(frame, number), path)
    (folder / "notes.txt").write_text("Recorded in spring, the strap was new.\n")
    (folder / "s0" / ".~lock.rest_00.csv").write_text("")
    return folder


def _frame(rng: np.random.Generator, rate: int, label: str, subject: str) -> pd.DataFrame:
    t = np.arange(int(SECONDS * rate)) / rate
    movement = np.sin(2 * np.pi * CLASSES[label] * t + rng.uniform(0, 6))
    start = pd.Timestamp("2024-03-01T10:00:00+01:00") + pd.Timedelta(minutes=int(rng.integers(60)))
    return pd.DataFrame(
        {
            "time": [stamp.isoformat() for stamp in start + pd.to_timedelta(t, unit="s")],
            "ax [g]": movement + rng.normal(0, 0.1, len(t)),
            "pressure [hPa]": 1013 + 0.2 * movement + rng.normal(0, 0.1, len(t)),
            "subject": subject,
            "sample": np.arange(len(t)),
            "firmware": 7,
            "label": label,
        }
    )


def _gap(frame: pd.DataFrame, number: int) -> pd.DataFrame:
    """By the number: empty cells, a short hole, a long hole of 1 s, rows out of order, or none."""
    rows = len(frame)
    if number == 3:
        frame.loc[10:12, "ax [g]"] = np.nan
    if number == 8:
        return frame.drop(index=range(20, 24))
    if number == 13:
        return frame.drop(index=range(rows // 2, rows // 2 + rows // 6))
    if number == 14:
        return frame.sample(frac=1, random_state=0)
    return frame


if __name__ == "__main__":
    messy(Path(sys.argv[1]))
