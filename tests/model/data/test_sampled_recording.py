"""What a table says at each sample of a recording, beside its channels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skiprnn import Feature
from skiprnn.data.layout import Layout
from skiprnn.data.raw_recording import RawRecording
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.sampling import Sampling
from skiprnn.data.table_file import TableFile
from skiprnn.data.time_axis import time_axis


def recording(rate: float = 10.0, **columns: Any) -> SampledRecording:
    """Five rows at 10 Hz, sampled at `rate`; `mass` is a value of the whole recording."""
    frame = pd.DataFrame({"time [s]": np.arange(5) / 10, "x": np.arange(5.0), **columns})
    table = TableFile(Path("run.csv"), frame, ".")
    raw = RawRecording(
        "run.csv",
        "",
        table,
        (Path("run.csv"),),
        {"mass": "7.5", "site": "here"},
        time_axis(table, "time [s]"),
    )
    (one,) = Sampling((Feature("x"),), rate, Layout()).recordings(raw, "run.csv")
    return one


@pytest.mark.parametrize(("rate", "held"), [(10.0, "aabbb"), (20.0, "aaaabbbbb"), (5.0, "abb")])
def test_a_text_has_a_value_at_every_sample_whatever_the_rate(rate: float, held: str) -> None:
    one = recording(rate, label=list("aabbb"))
    assert "".join(one.texts("label")) == held
    assert len(one.x) == len(one.seconds) == len(held)
    np.testing.assert_allclose(one.seconds, np.arange(len(held)) / rate)


def test_numbers_are_resampled_as_the_channels_are_and_an_empty_cell_stays_one() -> None:
    one = recording(20.0, force=[0.0, 2.0, np.nan, 6.0, 8.0])
    np.testing.assert_allclose(one.floats("force"), [0, 1, 2, 3, np.nan, np.nan, 6, 7, 8])


def test_a_value_of_the_recording_holds_at_every_sample() -> None:
    one = recording()
    assert one.texts("site") == ["here"] * 5
    assert one.floats("mass").tolist() == [7.5] * 5
    assert (one.has("mass"), one.has("x"), one.has("label")) == (True, True, False)


def test_what_is_no_number_or_no_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"run\.csv: expected a number in 'site', got 'here'"):
        recording().floats("site")
    with pytest.raises(ValueError, match=r"run\.csv: expected the columns \['label'\], found none named"):
        recording().texts("label")


def test_a_sample_knows_its_row_in_the_file() -> None:
    assert [recording(20.0).row(index) for index in range(9)] == [1, 1, 2, 2, 3, 3, 4, 4, 5]
