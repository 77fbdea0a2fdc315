"""When the samples of a file were measured, and what is said where training would not take them as they stand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skiprnn_cli.timing import not_as_trained, timing_of


def written(path: Path, seconds: np.ndarray, **options: str) -> Path:
    pd.DataFrame({"time [s]": seconds, "x": np.sin(seconds)}).to_csv(path, index=False, **options)
    return path


@pytest.mark.parametrize("options", [{}, {"sep": ";", "decimal": ","}, {"sep": "\t"}])
def test_the_rate_is_that_of_the_time_column(tmp_path: Path, options: dict[str, str]) -> None:
    path = written(tmp_path / "run.csv.gz", np.arange(100) / 25, **options)
    timing = timing_of(path)
    assert timing is not None
    assert (round(timing.sample_rate, 6), timing.holes) == (25, 0)
    assert not_as_trained(path, 25.1) == ""
    assert not_as_trained(path, None) == ""
    assert not_as_trained(path, 50) == (
        f"{path}: expected samples at the model's 50 Hz without holes, got samples at 25 Hz; they are taken as they "
        "stand, since only training resamples and fills gaps"
    )


def test_holes_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "run.csv", np.delete(np.arange(100) / 25, [10, 11, 50]))
    timing = timing_of(path)
    assert timing is not None
    assert (round(timing.sample_rate, 6), timing.holes) == (25, 2)
    assert "got 2 holes in time; they" in not_as_trained(path, 25)
    assert "got samples at 25 Hz and 2 holes in time; they" in not_as_trained(path, 50)
    assert "got 2 holes in time; they" in not_as_trained(path, 50, rates=False)


@pytest.mark.parametrize("text", ["x,y\n1,2\n3,4\n", "time,x\n0.5,1\n", "time,x\n0.5,1\n0.5,2\n", ""])
def test_of_a_file_that_does_not_tell_nothing_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.csv").write_text(text)
    assert timing_of(tmp_path / "run.csv") is None
    assert not_as_trained(tmp_path / "run.csv", 50) == ""


def test_of_sound_and_arrays_nothing_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "run.npy", np.zeros((4, 1)))
    assert not_as_trained(tmp_path / "run.npy", 50) == ""
