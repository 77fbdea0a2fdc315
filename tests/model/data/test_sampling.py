"""A recording as it was measured → even samples: gaps are filled, cut at, or an error."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn import Feature
from skiprnn.data.gaps import Missing
from skiprnn.data.layout import Layout
from skiprnn.data.raw_recording import RawRecording
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.sampling import Sampling
from skiprnn.data.table_file import TableFile
from skiprnn.data.time_axis import time_axis


def sampled(
    rate: float | None = 10.0, columns: dict[str, Any] | None = None, **layout: Any
) -> list[SampledRecording]:
    table = TableFile(Path("run.csv"), pd.DataFrame(columns), ".")
    time = time_axis(table, "time [s]") if "time [s]" in table.names else None
    raw = RawRecording("run.csv", "", table, (Path("run.csv"),), {"label": "walk"}, time)
    return list(Sampling((Feature("x"),), rate, Layout(**layout)).recordings(raw, "ann"))


def ramp(*missing: int, samples: int = 20) -> dict[str, Any]:
    """x grows by 1 a sample, at 10 Hz; some rows are not there."""
    kept = np.delete(np.arange(samples), missing)
    return {"time [s]": kept / 10, "x": kept.astype(float)}


def test_samples_at_the_rate_are_taken_as_they_are() -> None:
    (one,) = sampled(columns=ramp())
    assert one.x[:, 0].tolist() == list(range(20))
    assert (one.name, one.source, one.group, one.filled, one.start) == ("run.csv", "run.csv", "ann", 0, 0.0)


@given(st.sets(st.integers(1, 18), max_size=6))
def test_filled_gaps_are_counted_and_lie_on_the_line_between(missing: set[int]) -> None:
    (one,) = sampled(columns=ramp(*missing), missing=Missing.INTERPOLATE)
    np.testing.assert_allclose(one.x[:, 0], np.arange(20), atol=1e-4)
    assert one.filled == len(missing)


def test_a_hole_in_time_is_an_error_that_names_its_rows() -> None:
    with pytest.raises(
        ValueError, match=r"got 0\.3 s between rows 5 and 6 \(2 samples missing\); missing=interpolate"
    ):
        sampled(columns=ramp(5, 6))


def test_parts_between_long_gaps_are_recordings_of_the_same_source() -> None:
    first, second = sampled(columns=ramp(5, 6, 7), missing=Missing.INTERPOLATE, longest_gap=2)
    assert (first.name, second.name) == ("run.csv#1", "run.csv#2")
    assert (first.source, second.source) == ("run.csv", "run.csv")
    assert first.x[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert second.x[:, 0].tolist() == list(range(8, 20))
    assert second.start == pytest.approx(0.8)


def test_what_is_missing_is_cut_out_where_it_is_to_be_dropped() -> None:
    parts = sampled(columns=ramp(5), missing=Missing.DROP)
    assert [len(part.x) for part in parts] == [5, 14]
    assert [part.filled for part in parts] == [0, 0]


def test_an_empty_cell_is_a_gap_though_time_goes_on() -> None:
    columns = {"x": [0.0, np.nan, 2.0, 3.0]}
    with pytest.raises(ValueError, match="expected a value in row 2 of 'x', found none"):
        sampled(columns=columns)
    (one,) = sampled(columns=columns, missing=Missing.HOLD)
    assert (one.x[:, 0].tolist(), one.filled) == ([0, 0, 2, 3], 1)
