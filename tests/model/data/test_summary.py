"""The words of the summary."""

import pytest

from skiprnn.data import summary


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.8, "0.8 s"), (12, "12 s"), (250, "4 min 10 s"), (7500, "2 h 5 min"), (59.9, "59.9 s")],
)
def test_a_duration(seconds: float, text: str) -> None:
    assert summary.duration(seconds) == text


def test_a_count_has_its_noun() -> None:
    assert [summary.counted(1, "file"), summary.counted(1200, "file")] == ["1 file", "1,200 files"]


def test_lengths_are_in_samples_where_the_rate_is_unknown() -> None:
    assert summary.lengths([10, 30], None) == "40 samples, each 10 samples to 30 samples"
    assert summary.lengths([100, 300], 50) == "8 s, each 2 s to 6 s"


def test_rates_say_what_becomes_of_them() -> None:
    assert summary.rates([], 50) == "50 Hz, as given"
    assert summary.rates([49.98, 50.01], 50) == "50 Hz, measured"
    mixed = summary.rates([25, 100, 25.01], 25)
    assert mixed == "measured 25 Hz in 2 recordings, 100 Hz in 1 recording; all are resampled to 25 Hz"
    assert summary.rates([], None).startswith("unknown; sample_rate")


def test_classes_are_aligned() -> None:
    lines = summary.classes({"walk": (1200, 3), "rest up": (7, 1)})
    assert lines == ["walk     1,200 samples in 3 recordings", "rest up      7 samples in 1 recording"]
