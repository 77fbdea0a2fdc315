"""A time column whose rate is not the network's is told of, in every format that has columns."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_export import Feature
from skiprnn_service.scoring.formats.base import InputSpec
from skiprnn_service.scoring.formats.rate import about_rate
from skiprnn_service.scoring.formats.registry import read
from support.score_tables import BODIES

FEATURES = (Feature("x0"),)


def table(rates: list[float], name: str = "timestamp", samples: int = 40) -> pa.Table:
    """A recording of each rate, one after another."""
    ids = np.repeat([f"r{i}" for i in range(len(rates))], samples)
    times = np.concatenate([np.arange(samples) / rate for rate in rates])
    return pa.table({"trial": ids.tolist(), name: times, "x0": np.zeros(len(times))})


def warnings(kind: str, body: bytes, sample_rate: float | None = 50.0, **columns: Any) -> tuple[str, ...]:
    spec = InputSpec(FEATURES, 10**6, sample_rate=sample_rate, **columns)
    return read(kind, io.BytesIO(body), spec).warnings


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_another_rate_is_told_of(kind: str) -> None:
    by_name: dict[str, Any] = {"sequence": "trial", "time": "timestamp"}
    (said,) = warnings(kind, BODIES[kind](table([25, 25])), **by_name)
    assert said.startswith("the column 'timestamp' says 25 Hz, the model takes 50 Hz: resample first")
    (said,) = warnings(kind, BODIES[kind](table([25, 50, 50, 100])), **by_name)
    assert "says 50 Hz in 2, 25 Hz in 1, 100 Hz in 1 of 4 sequences" in said
    assert warnings(kind, BODIES[kind](table([50, 48])), **by_name) == ()
    assert warnings(kind, BODIES[kind](table([25])), None, **by_name) == ()


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_so_is_that_of_a_column_that_is_not_read(kind: str) -> None:
    about, about_order = warnings(kind, BODIES[kind](table([25, 25])), sequence="trial")
    assert "is not read" in about_order
    assert "says 25 Hz, the model takes 50 Hz" in about


@pytest.mark.parametrize(
    ("name", "times", "said"),
    [
        ("t", [0, 1, 2, 3], None),  # counts samples
        ("t", [0, 40, 80, 120], "25"),
        ("t", [0, 20, 40, 60], None),
        ("t [s]", [0, 1, 2, 3], "1"),
        ("time_ms", [0, 1000, 2000, 3000], "1"),
        ("date", [f"2026-01-01T00:00:0{i}Z" for i in range(4)], "1"),
        ("date", [1.7e9, 1.7e9 + 1, 1.7e9 + 2], "1"),
        ("t", [0.3, 0.1, 0.4, 0.2, 0.0], None),  # shuffled
        ("t", [0.0], None),
        ("t", ["a", None, "b"], None),
    ],
)
def test_units(name: str, times: list[Any], said: str | None) -> None:
    found = about_rate(name, [(None, times)], 50.0)
    assert [f"says {said} Hz" in text for text in found] == ([] if said is None else [True])


@given(st.floats(0.5, 400), st.floats(0.5, 400), st.integers(4, 60), st.floats(0.01, 1e5))
def test_it_is_told_exactly_where_rates_differ(rate: float, model: float, samples: int, start: float) -> None:
    times = [start + i / rate for i in range(samples)]
    said = about_rate("seconds", [(None, times)], model)
    if abs(rate / model - 1) > 0.12:
        assert len(said) == 1
    elif abs(rate / model - 1) < 0.08:
        assert said == []
