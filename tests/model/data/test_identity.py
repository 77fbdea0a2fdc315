"""Columns that identify a recording, a person or a row are no channels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skiprnn.data.identity import identity_of
from skiprnn.data.table_file import TableFile

WAVE = np.sin(np.arange(30.0))


def why(name: str, *values: Any) -> str:
    tables = [TableFile(Path("run.csv"), pd.DataFrame({name: column}), ".") for column in values]
    return identity_of(tables, [name] * len(tables))


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("Unnamed: 0", WAVE, "without a name"),
        ("__index_level_0__", WAVE, "without a name"),
        ("subject", WAVE, "names a group"),
        ("Patient ID", [7] * 30, "names a group"),
        ("id", [3, 1, 2] * 10, "an id"),
        ("row", np.arange(30), "an id"),
        ("trial", [1, 2] * 15, "an id"),
        ("site_id", [1, 2] * 15, "an id"),
        ("gain", [3.3] * 30, "never changes within a recording"),
        ("gain", [1.5, np.nan, 1.5], "never changes within a recording"),
        ("energy [kWh]", np.exp(0.1 * np.arange(30)), "always grows"),
        ("battery [%]", 90 - 0.1 * np.arange(30), "always falls"),
        ("sample", [4, 5, 9], "a count"),
        ("ax [g]", WAVE, ""),
        ("trial", WAVE, ""),
        ("sensor 1", [3, 1, 2] * 10, ""),
        ("step", WAVE, ""),
        ("x", [1.0, 2.0, 3.0], ""),
        ("x", [*range(15), *range(15)], ""),
    ],
)
def test_why_a_column_is_no_channel(name: str, values: Any, reason: str) -> None:
    assert why(name, values) == reason
    assert why(name, values, np.flip(np.asarray(values, float))) in (reason, "")


def test_what_changes_between_recordings_alone_says_which_it_is() -> None:
    assert why("height [cm]", [171] * 5, [182] * 5) == "never changes within a recording"
    assert why("valve", [0, 0, 0, 0], [0, 0, 1, 1]) == ""


def test_what_grows_in_one_recording_alone_is_a_channel() -> None:
    assert why("temperature", np.arange(30) / 10, WAVE) == ""
