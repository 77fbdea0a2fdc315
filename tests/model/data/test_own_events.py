"""Events in the user's recordings: runs of a label, rows of a side table, and the streams that come of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skiprnn.data.layout import Layout
from skiprnn.data.own_events import Event, OwnEvents, events_of_column, events_of_table
from skiprnn.data.own_recordings import read_own_recordings
from skiprnn.data.sampled_recording import SampledRecording
from skiprnn.data.split import Excerpt
from support.recordings import write


def read(folder: Path, **layout: Any) -> tuple[SampledRecording, ...]:
    return read_own_recordings(folder, Layout(**{"targets": (), **layout})).recordings


def recording(folder: Path, name: str, samples: int = 40, **columns: Any) -> None:
    write(folder, name, x=np.sin(np.arange(samples)), **columns)


def table(folder: Path, **columns: Any) -> Path:
    pd.DataFrame(columns).to_csv(folder / "events.csv", index=False)
    return folder / "events.csv"


def events(folder: Path, path: Path, **layout: Any) -> list[list[Event]]:
    return events_of_table(read(folder, events="events.csv", **layout), path, "kind")


def test_a_run_of_a_label_is_an_event(tmp_path: Path) -> None:
    labels = ["none"] * 10 + ["fall"] * 5 + [" fall"] * 5 + ["trip"] * 2 + [""] * 8 + ["fall"] * 10
    recording(tmp_path, "a.csv", kind=labels)
    recording(tmp_path, "b.csv", kind=["none"] * 40)
    found = events_of_column(read(tmp_path, targets=("kind",)), "kind", "none")
    assert found == [[("fall", 10, 20), ("trip", 20, 22), ("fall", 30, 40)], []]


def test_a_column_without_the_background_is_an_error(tmp_path: Path) -> None:
    recording(tmp_path, "a.csv", kind=["rest"] * 20 + ["fall"] * 20)
    with pytest.raises(
        ValueError, match=r"expected samples of the background 'none' in 'kind', got \['fall', 'rest'\]"
    ):
        events_of_column(read(tmp_path, targets=("kind",)), "kind", "none")
    found = events_of_column(read(tmp_path, targets=("kind",)), "kind", "rest")
    assert found == [[("fall", 20, 40)]]


def test_a_row_of_a_side_table_is_an_event(tmp_path: Path) -> None:
    """Counted in samples, where nothing says how long one takes; the table lies with the recordings and is none."""
    for name in ("a.csv", "day/b.csv"):
        recording(tmp_path, name)
    path = table(
        tmp_path, recording=["b", "a.csv", "a"], start=[3, 20, 10], end=[5, 90, 12], kind=["x", "y", "x"]
    )
    assert events(tmp_path, path) == [[("x", 10, 13), ("y", 20, 40)], [("x", 3, 6)]]


def test_ids_of_recordings_are_text_and_a_name_of_two_recordings_is_an_error(tmp_path: Path) -> None:
    for name in ("a.csv", "day/a.csv", "night/b.csv", "day/b.csv"):
        recording(tmp_path, name)
    path = table(tmp_path, recording=["a.csv", "day/b"], start=[3, 20])
    assert events(tmp_path, path) == [[("kind", 3, 4)], [], [("kind", 20, 21)], []]
    path = table(tmp_path, recording=["a.csv", "b"], start=[3, 20])
    with pytest.raises(
        ValueError, match=r"row 2 of 'recording': .* day/b\.csv, night/b\.csv; write the whole path"
    ):
        events(tmp_path, path)
    (tmp_path / "ids").mkdir()
    frame = pd.DataFrame({"trial": ["007"] * 20 + ["7"] * 20, "x": np.sin(np.arange(40))})
    frame.to_csv(tmp_path / "ids/all.csv", index=False)
    path = table(tmp_path / "ids", trial=["7", "007"], start=[3, 10])
    assert events(tmp_path / "ids", path, recording="trial") == [[("kind", 10, 11)], [("kind", 3, 4)]]


def test_without_ends_and_classes_an_event_is_a_sample(tmp_path: Path) -> None:
    recording(tmp_path, "a.csv")
    assert events(tmp_path, table(tmp_path, start=[7, 5])) == [[("kind", 5, 6), ("kind", 7, 8)]]


def test_times_are_those_of_the_time_column(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", **{"x": np.sin(np.arange(40)), "t [ms]": 500 + 20 * np.arange(40)})
    path = table(tmp_path, **{"start [s]": [0.5, 0.62], "end [s]": [0.54, 0.7]})
    assert events(tmp_path, path) == [[("kind", 0, 3), ("kind", 6, 11)]]  # 50 Hz


def test_times_may_be_dates(tmp_path: Path) -> None:
    stamps = pd.date_range("2026-01-05T10:00:00", periods=40, freq="100ms").astype(str)
    recording(tmp_path, "a.csv", time=stamps)
    path = table(tmp_path, start=["2026-01-05T10:00:01.000", "2026-01-05T10:00:01.000"], kind=["x", "y"])
    assert events(tmp_path, path) == [[("x", 10, 11), ("y", 10, 11)]]


def test_seconds_count_from_the_first_sample_where_the_rate_is_given(tmp_path: Path) -> None:
    recording(tmp_path, "a.csv")
    assert events(tmp_path, table(tmp_path, start=[0.5]), sample_rate=10.0) == [[("kind", 5, 6)]]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"recording": ["a"], "at": [3]}, r"events\.csv: expected .*'start'"),
        (
            {"recording": ["c"], "start": [3]},
            "expected a column of the recordings' names, such as 'a.csv', found none",
        ),
        (
            {"recording": ["a", "c"], "start": [3, 3]},
            "expected a recording's name in row 2 of 'recording', got 'c'",
        ),
        (
            {"recording": ["a"], "start": [40]},
            r"expected a start within a\.csv, 0 to 40 samples, in row 1, got 40",
        ),
        (
            {"recording": ["a"], "start": [-1]},
            r"expected a start within a\.csv, 0 to 40 samples, in row 1, got -1",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, columns: dict[str, Any], reason: str) -> None:
    for name in ("a.csv", "b.csv"):
        recording(tmp_path, name)
    with pytest.raises(ValueError, match=reason):
        events(tmp_path, table(tmp_path, **columns))


def test_an_event_in_a_gap_at_which_a_recording_was_cut_is_passed_over(tmp_path: Path) -> None:
    t = np.concatenate([np.arange(40), 100 + np.arange(40)]) / 10
    recording(tmp_path, "a.csv", 80, time=t)
    path = table(tmp_path, **{"start [s]": [1.0, 7.0, 11.0]})
    found = events(tmp_path, path, missing="drop")
    assert found == [[("kind", 10, 11)], [("kind", 10, 11)]]


def test_a_part_of_a_recording_has_the_events_in_it(tmp_path: Path) -> None:
    recording(tmp_path, "a.csv")
    own = read_own_recordings(tmp_path, Layout(targets=()))
    found = OwnEvents.of(own, [[("x", 5, 10), ("y", 20, 30), ("x", 35, 36)]], "none")
    assert found.names == ("none", "x", "y")
    assert found.targets().classes == [{0, 1, 2}]
    part = found.stream(Excerpt(0, 8, 25))
    assert len(part.x) == 17
    assert (part.labels.tolist(), part.starts.tolist(), part.ends.tolist()) == ([1, 2], [0, 12], [2, 17])


def test_no_event_at_all_is_an_error(tmp_path: Path) -> None:
    recording(tmp_path, "a.csv")
    with pytest.raises(ValueError, match="expected events in the recordings, found none"):
        OwnEvents.of(read_own_recordings(tmp_path, Layout(targets=())), [[]], "none")
