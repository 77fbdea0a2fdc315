"""From messy folders and large tables to evenly sampled recordings, or one line that says what is wrong where."""

import logging
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
from skiprnn.data.own_recordings import OwnRecordings, read_own_recordings
from skiprnn.data.sampled_recording import SampledRecording
from support.messy import messy
from support.recordings import write


def read(data: Path, **layout: Any) -> OwnRecordings:
    return read_own_recordings(data, Layout(**layout))


def only(data: Path, **layout: Any) -> SampledRecording:
    (recording,) = read(data, **layout).recordings
    return recording


def wave(rate: float, seconds: float = 2.0, **more: Any) -> dict[str, Any]:
    t = np.arange(round(rate * seconds)) / rate
    return {"time": np.round(t, 6), "x": np.sin(3 * t), **more}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="skiprnn")


# Rates


def test_recordings_of_several_rates_come_out_at_one_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, rate in enumerate((25, 50, 50, 100)):
        write(tmp_path, f"{number}.csv", **wave(rate), label="a")
    own = read(tmp_path)
    assert own.sample_rate == 50
    for recording in own.recordings:
        assert recording.sample_rate == 50
        assert np.abs(recording.x[:, 0] - np.sin(3 * recording.seconds))[3:-3].max() < 0.01
    rates = "measured 25 Hz in 1 recording, 50 Hz in 2 recordings, 100 Hz in 1 recording"
    assert f"sample rate  {rates}; all are resampled to 50 Hz" in said(caplog)
    assert "time         the column 'time'" in said(caplog)


def test_recordings_of_one_rate_keep_their_samples_bit_for_bit(tmp_path: Path) -> None:
    columns = wave(50, label="a")
    write(tmp_path, "a.csv", **columns)
    assert only(tmp_path).x[:, 0].tobytes() == columns["x"].astype(np.float32).tobytes()


def test_a_rate_that_is_given_is_that_of_all(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", **wave(50), label="a")
    recording = only(tmp_path, sample_rate=20)
    assert (len(recording.x), recording.sample_rate) == (40, 20)
    assert recording.seconds[-1] == pytest.approx(1.95)


def test_without_a_time_the_rate_is_taken_on_trust(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = {**wave(50), "label": "a"}
    write(tmp_path, "a.csv", **columns)
    recording = only(tmp_path, sample_rate=20, time="none")
    assert (len(recording.x), recording.seconds[1]) == (100, 1 / 20)
    assert "sample rate  20 Hz, as given" in said(caplog)
    unknown = only(tmp_path, time="none")
    assert (unknown.sample_rate, unknown.seconds[1]) == (None, 1)


def test_a_time_column_may_be_named(tmp_path: Path) -> None:
    columns = wave(50, label="a")
    columns["zeit [ms]"] = 1000 * columns.pop("time")
    write(tmp_path, "a.csv", **columns)
    assert read(tmp_path).sample_rate is None
    for name in ("zeit", "zeit [ms]"):
        own = read(tmp_path, time=name)
        assert (own.sample_rate, own.features) == (50, (Feature("x"),))


def test_a_recording_without_the_time_of_the_others_is_named(tmp_path: Path) -> None:
    columns = wave(50, label="a")
    write(tmp_path, "a.csv", **columns)
    del columns["time"]
    write(tmp_path, "b.csv", **columns)
    with pytest.raises(ValueError, match=r"b\.csv: expected the columns \['time'\].*; time=none"):
        read(tmp_path)


def test_a_damaged_time_is_named_not_taken_for_words(tmp_path: Path) -> None:
    stamps = [f"2024-03-01T10:00:{s:02d}" for s in range(20)]
    x = np.sin(np.arange(20))
    write(tmp_path, "a.csv", time=stamps, x=x, label="a")
    write(tmp_path, "b.csv", time=["?", *stamps[1:]], x=x, label="a")
    with pytest.raises(ValueError, match=r"b\.csv: expected a date in ISO 8601 in row 1 of 'time', got '\?'"):
        read(tmp_path)


def test_a_time_of_another_form_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a.csv", time=["1.3.2024 10:00", "1.3.2024 10:01"], x=[1.0, 5.0], label="a")
    read(tmp_path)
    assert any("time (text that is no time in ISO 8601)" in line for line in said(caplog))


def test_shuffled_rows_are_put_in_order_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = pd.DataFrame(wave(50, label=["a"] * 60 + ["b"] * 40))
    frame.sample(frac=1, random_state=1).to_csv(tmp_path / "x.csv", index=False)
    recording = only(tmp_path)
    assert recording.x[:, 0].tolist() == frame["x"].astype(np.float32).tolist()
    assert recording.texts("label") == frame["label"].tolist()
    assert any(line.startswith("sorted       x.csv by 'time': row ") for line in said(caplog))


def test_start_is_the_time_of_the_first_sample(tmp_path: Path) -> None:
    stamps = pd.Timestamp("2024-03-01T10:00:00Z") + pd.to_timedelta(np.arange(20) / 10, unit="s")
    write(tmp_path, "a.parquet", time=stamps, x=np.sin(np.arange(20)), label="a")
    recording = only(tmp_path)
    assert recording.dated
    assert recording.start == stamps[0].timestamp()
    write(tmp_path, "a.parquet", time=3 + np.arange(20) / 10, x=np.sin(np.arange(20)), label="a")
    assert (only(tmp_path).start, only(tmp_path).dated) == (3, False)


# Gaps


def gappy(folder: Path) -> Path:
    """50 Hz; three cells are empty, 2 samples are missing at 0.5 s, and 25 at 1 s."""
    frame = pd.DataFrame(wave(50, 3, y=np.cos(np.arange(150)), label="a"))
    frame.loc[5:7, "y"] = np.nan
    frame.drop(index=[25, 26, *range(50, 75)]).to_csv(folder / "a.csv", index=False)
    return folder


def test_a_gap_is_an_error_that_names_file_row_column_and_option(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"a\.csv: expected a value in row 6 of 'y', found none; missing=interp"
    ):
        read(gappy(tmp_path))
    message = (
        r"a\.csv: expected 0.035 s at most from one sample to the next, got 0.06 s between rows 25 and 26 "
    )
    message += r"\(2 samples missing\); "
    with pytest.raises(ValueError, match=message + "missing=interpolate"):
        read(tmp_path, columns=("x",))


@pytest.mark.parametrize("missing", [Missing.HOLD, Missing.INTERPOLATE])
def test_short_gaps_are_filled_and_long_ones_cut_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: Missing
) -> None:
    first, second = read(gappy(tmp_path), missing=missing).recordings
    assert (first.name, second.name) == ("a.csv#1", "a.csv#2")
    assert first.group == second.group == first.source == second.source == "a.csv"
    assert (len(first.x), len(second.x), first.filled, second.filled) == (50, 75, 5, 0)
    assert (first.start, second.start) == (0, 1.5)
    expected = np.sin(3 * first.seconds)
    assert np.abs(first.x[:, 0] - expected).max() < (0.2 if missing is Missing.HOLD else 0.005)
    past = "held" if missing is Missing.HOLD else "interpolated"
    assert f"gaps         5 samples {past}; 1 recording cut into 2" in said(caplog)


def test_gaps_may_all_be_filled(tmp_path: Path) -> None:
    assert len(only(gappy(tmp_path), missing=Missing.INTERPOLATE, longest_gap=25).x) == 150


def test_recordings_may_be_cut_at_every_gap(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parts = read(gappy(tmp_path), missing=Missing.DROP).recordings
    assert [len(part.x) for part in parts] == [5, 17, 23, 75]
    assert "gaps         1 recording cut into 4; 3 rows left out" in said(caplog)


def test_without_times_empty_cells_are_gaps(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", x=[1.0, np.nan, 2.0, np.nan, np.nan, 7.0, 6.0], label=list("aabbbbb"))
    full = only(tmp_path, missing=Missing.INTERPOLATE)
    assert full.x[:, 0].tolist() == pytest.approx([1, 1.5, 2, 11 / 3, 16 / 3, 7, 6])
    assert full.texts("label") == list("aabbbbb")
    cut = read(tmp_path, missing=Missing.HOLD, longest_gap=1).recordings
    assert [part.x[:, 0].tolist() for part in cut] == [[1, 1, 2], [7, 6]]
    assert cut[1].start == 5


def test_a_recording_of_gaps_alone_is_said_and_one_at_least_is_needed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a.csv", x=[1.0, np.nan, 2.0], label="a")
    with pytest.raises(ValueError, match="expected recordings with two whole samples in a row, found none"):
        read(tmp_path, missing=Missing.DROP)
    write(tmp_path, "b.csv", x=[1.0, 7.0, 2.0], label="a")
    assert only(tmp_path, missing=Missing.DROP).name == "b.csv"
    assert any("no two whole samples in a row in a.csv" in line for line in said(caplog))


@given(
    st.lists(st.floats(-1e3, 1e3, width=32) | st.just(float("nan")), min_size=4, max_size=30),
    st.sampled_from([Missing.HOLD, Missing.INTERPOLATE, Missing.DROP]),
    st.integers(0, 5),
)
def test_samples_that_are_there_are_in_a_part_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], missing: Missing, longest: int
) -> None:
    data = tmp_path_factory.mktemp("data")
    x = np.array([0.0, 1.0, *values, 1.0, 0.0], np.float32)
    pd.DataFrame({"x": x, "label": "a"}).to_parquet(data / "a.parquet")
    for part in read(data, missing=missing, longest_gap=longest).recordings:
        rows = part.segment.held_rows[np.isin(np.arange(len(part.x)), part.segment.place)]
        there = ~np.isnan(x[rows])
        assert part.x[there, 0].tobytes() == x[rows][there].tobytes()
        assert np.isfinite(part.x).all()


# What a recording says beside its samples


def test_texts_and_floats_have_the_rows_of_the_samples(tmp_path: Path) -> None:
    columns = wave(100, state=["on"] * 120 + ["off"] * 80, label="a")
    columns["dose"] = 2 * columns["x"]
    write(tmp_path, "a.csv", **columns)
    recording = only(tmp_path, sample_rate=25, columns=("x",))
    assert recording.texts("state") == ["on"] * 30 + ["off"] * 20
    assert recording.floats("dose") == pytest.approx(2 * recording.x[:, 0].astype(float), abs=1e-6)
    assert (recording.row(0), recording.row(1)) == (1, 5)


def test_an_empty_cell_of_a_target_is_told_from_a_value(tmp_path: Path) -> None:
    columns = wave(50, dose=[np.nan] * 10 + [1.0] * 90, state=[None] * 10 + ["on"] * 90, label="a")
    write(tmp_path, "a.csv", **columns)
    recording = only(tmp_path, sample_rate=25, columns=("x",))
    assert np.isnan(recording.floats("dose")).tolist() == [True] * 5 + [False] * 45
    assert recording.texts("state") == [""] * 5 + ["on"] * 45


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [1e8, 1e30])
def test_a_time_that_is_far_off_is_a_gap(tmp_path: Path, far: float) -> None:
    columns = wave(50, label="a")
    columns["time"][-1] = far
    write(tmp_path, "a.csv", **columns)
    with pytest.raises(ValueError, match=r"a\.csv: expected 0\.035 s at most .* between rows 99 and 100"):
        read(tmp_path)
    assert len(only(tmp_path, missing=Missing.INTERPOLATE).x) == 99
    with pytest.raises(
        ValueError, match=r"a\.csv: expected 100,000,000 samples .* rows 1 to 100 .*longest_gap"
    ):
        read(tmp_path, missing=Missing.INTERPOLATE, longest_gap=10**12)


def test_a_rate_that_takes_more_than_the_memory_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", **wave(50, label="a"))
    with pytest.raises(
        ValueError, match=r"a\.csv: expected 100,000,000 samples .* got 1,980,000,001 .*sample_rate"
    ):
        read(tmp_path, sample_rate=1e9)


@pytest.mark.filterwarnings("error")
def test_an_infinite_value_is_named_without_a_warning_before(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", x=[*np.sin(np.arange(20)), np.inf], label="a")
    with pytest.raises(ValueError, match=r"a\.csv: expected finite numbers in 'x', got inf in row 21"):
        read(tmp_path)


@pytest.mark.parametrize("form", ["%m/%d/%Y %H:%M:%S", "%Y-%m-%d %I:%M:%S %p"])
def test_times_in_a_form_that_is_not_read_are_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    times = pd.date_range("2024-01-02T01:00", periods=20, freq="s").strftime(form)
    write(tmp_path, "a.csv", time=times, x=np.sin(np.arange(20)), label="a")
    read(tmp_path)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert (
        f"the column 'time' looks like times, such as {times[0]!r}, and is left out: dates are read"
        in warning
    )
    caplog.clear()
    read(tmp_path, time="none")
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


# One table, folders, names, side tables


def test_one_table_holds_many_recordings_whose_rows_are_not_adjacent(tmp_path: Path) -> None:
    frames = [pd.DataFrame(wave(50, trial=trial, label="ab"[trial % 2])) for trial in range(4)]
    frame = pd.concat(frames).sample(frac=1, random_state=0)
    frame.to_csv(tmp_path / "all.csv", index=False)
    own = read(tmp_path / "all.csv", recording="trial")
    assert sorted(one.name for one in own.recordings) == [f"all.csv:{trial}" for trial in range(4)]
    for recording in own.recordings:
        assert recording.x[:, 0].tolist() == frames[0]["x"].astype(np.float32).tolist()
    assert own.features == (Feature("x"),)


def test_without_times_rows_of_a_recording_keep_their_order(tmp_path: Path) -> None:
    write(tmp_path, "all.csv", id=["p", "q", "p", "q", "r"], x=[1.0, 5.0, 3.0, 2.0, 9.0], label="a")
    own = read(tmp_path, recording="id")
    assert {one.name: one.x[:, 0].tolist() for one in own.recordings} == {
        "all.csv:p": [1, 3],
        "all.csv:q": [5, 2],
    }


def test_a_column_that_looks_like_recordings_is_proposed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "all.csv", trial=[1, 1, 1, 2, 2, 2], x=[1.0, 5.0, 3.0, 2.0, 9.0, 4.0], label="a")
    read(tmp_path / "all.csv")
    assert any("recording?   the column 'trial' looks like the id" in line for line in said(caplog))


def test_a_group_is_proposed_and_never_a_channel(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(4):
        write(tmp_path, f"{number}.csv", **wave(50, subject=number // 2, label="a"))
    assert read(tmp_path).features == (Feature("x"),)
    proposal = "looks like a group: group=subject keeps whole groups apart"
    assert f"group?       the column 'subject' {proposal}" in said(caplog)
    caplog.clear()
    assert {one.group for one in read(tmp_path, group="subject").recordings} == {"0", "1"}
    assert not any(proposal in line for line in said(caplog))
    assert "groups       2, by 'subject'" in said(caplog)


def test_an_identity_column_that_is_asked_for_is_a_channel(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", **wave(50, subject=3, gain=2.5, label="a"))
    names = ("subject", "gain", "time", "x")
    assert read(tmp_path, columns=names).features == tuple(map(Feature, names))


def test_labels_and_groups_may_be_folders(tmp_path: Path) -> None:
    for subject in ("ann", "bob"):
        for label in ("walk", "rest"):
            write(tmp_path, f"{subject}/{label}/1.csv", **wave(50))
    own = read(tmp_path, label_from="folder", group_from="top_folder")
    assert {(one.texts("label")[0], one.group) for one in own.recordings} == {
        (label, subject) for label in ("walk", "rest") for subject in ("ann", "bob")
    }


def test_labels_may_be_the_beginnings_of_names(tmp_path: Path) -> None:
    for name in ("walk_1", "walk_2", "rest_1"):
        write(tmp_path, f"{name}.csv", **wave(50))
    assert [one.values["label"] for one in read(tmp_path, label_from="name").recordings] == [
        "rest",
        "walk",
        "walk",
    ]


def test_labels_and_groups_may_be_in_a_side_table_within_the_folder(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, f"x/{number}.csv", **wave(50))
    (tmp_path / "labels.csv").write_text("file;label;who\n0.csv;walk;ann\n1.csv;rest;ann\n2.csv;rest;bob\n")
    own = read(tmp_path, labels="labels.csv", group="who")
    assert [(one.texts("label")[0], one.group) for one in own.recordings] == [
        ("walk", "ann"),
        ("rest", "ann"),
        ("rest", "bob"),
    ]
    assert own.recordings[0].paths == (tmp_path / "x/0.csv", tmp_path / "labels.csv")
    with pytest.raises(ValueError, match="labels: expected a side table at"):
        read(tmp_path, labels="other.csv")


def test_ids_of_a_side_table_are_those_of_the_recordings(tmp_path: Path) -> None:
    frame = pd.concat([pd.DataFrame(wave(50, trial=f"{trial:02d}")) for trial in range(2)])
    frame.to_csv(tmp_path / "all.csv", index=False)
    (tmp_path / "labels.csv").write_text("trial,label,dose\n00,walk,1.5\n01,rest,2\n")
    own = read(tmp_path, recording="trial", labels="labels.csv")
    assert [one.texts("label")[0] for one in own.recordings] == ["walk", "rest"]
    assert own.recordings[1].floats("dose").tolist() == [2] * 100


TRIALS = pd.concat(
    [
        pd.DataFrame(
            {"subject": who, "trial": trial, "x": np.sin(np.arange(20)) + trial, "label": "ab"[trial]}
        )
        for who in ("ann", "bob")
        for trial in range(2)
    ]
)


def test_trials_that_start_again_for_each_person_are_told_apart_by_both_columns(tmp_path: Path) -> None:
    TRIALS.to_csv(tmp_path / "all.csv", index=False)
    (tmp_path / "labels.csv").write_text("id,dose\nann:0,1\nann:1,2\nbob:0,3\nbob:1,4\n")
    own = read(tmp_path, recording="subject,trial", group="subject", labels="labels.csv")
    assert [(one.name, one.group, one.values["dose"]) for one in own.recordings] == [
        ("all.csv:ann:0", "ann", "1"),
        ("all.csv:ann:1", "ann", "2"),
        ("all.csv:bob:0", "bob", "3"),
        ("all.csv:bob:1", "bob", "4"),
    ]
    assert {len(one.x) for one in own.recordings} == {20}
    assert own.features == (Feature("x"),)


def test_ids_of_several_columns_that_read_alike_are_an_error(tmp_path: Path) -> None:
    write(
        tmp_path,
        "all.csv",
        p=["a:b", "a:b", "a", "a"],
        q=["c", "c", "b:c", "b:c"],
        x=[1.5, 2, 3, 4],
        label="a",
    )
    with pytest.raises(ValueError, match=r"'a:b:c' for both \('a:b', 'c'\) and \('a', 'b:c'\) in row 3"):
        read(tmp_path, recording="p,q")


def test_several_people_in_a_recording_are_a_warning_or_an_error_that_names_the_way_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    TRIALS.to_csv(tmp_path / "all.csv", index=False)
    read(tmp_path, recording="trial")
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "'subject' has several values in 2 recordings of 2" in warning
    assert "recording=subject,trial tells" in warning
    assert not any(line.startswith("group?") for line in said(caplog)), "it would fail"
    with pytest.raises(
        ValueError, match=r"'ann' in row 1 and 'bob' in row 41 .* recording=subject,trial tells"
    ):
        read(tmp_path, recording="trial", group="subject")
    caplog.clear()
    read(tmp_path, recording="subject,trial")
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def test_ids_of_recordings_are_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ids = ["007", "7", "12e3", "12000", "7 "]
    frame = pd.DataFrame({"trial": np.repeat(ids, 20), "x": np.sin(np.arange(100)), "label": "a"})
    for name in ("all.csv", "all.parquet"):
        write(tmp_path / name, name, **frame)
        own = read(tmp_path / name / name, recording="trial")
        assert [one.name for one in own.recordings] == [f"{name}:{id}" for id in ids[:4]]
        assert "merged       in the column 'trial', '7 ' is '7'" in said(caplog)
        caplog.clear()


def test_whole_numbers_of_parquet_are_the_ids_of_a_side_table(tmp_path: Path) -> None:
    numbers = np.repeat([1.0, 2.0], 20)
    write(tmp_path, "all.parquet", trial=numbers, x=np.sin(np.arange(40)))
    (tmp_path / "labels.csv").write_text("id,label\n1,walk\n2,rest\n")
    own = read(tmp_path, recording="trial", labels="labels.csv")
    assert [(one.name, one.values["label"]) for one in own.recordings] == [
        ("all.parquet:1", "walk"),
        ("all.parquet:2", "rest"),
    ]
    write(tmp_path, "labels.parquet", id=[1.0, 2.0], label=["walk", "rest"])
    (tmp_path / "labels.csv").rename(tmp_path / "labels.old")
    assert read(tmp_path, recording="trial", labels="labels.parquet").recordings[1].values["label"] == "rest"


def test_a_side_table_is_about_the_recording_that_it_names_most_exactly(tmp_path: Path) -> None:
    for name in ("r1.csv", "s1/r1.csv"):
        write(tmp_path, name, **wave(50))
    (tmp_path / "labels.csv").write_text("file,label\nr1.csv,root\ns1/r1.csv,sub\n")
    own = read(tmp_path, labels="labels.csv")
    assert {one.name: one.values["label"] for one in own.recordings} == {"r1.csv": "root", "s1/r1.csv": "sub"}
    (tmp_path / "labels.csv").write_text("file,label\nr1.csv,root\n")
    with pytest.raises(ValueError, match=r"labels\.csv: expected a row for 's1/r1\.csv'"):
        read(tmp_path, labels="labels.csv")
    write(tmp_path, "s2/r1.csv", **wave(50))
    (tmp_path / "r1.csv").unlink()
    with pytest.raises(
        ValueError, match=r"row 1 of 'file': .* 'r1\.csv', .* s1/r1\.csv, s2/r1\.csv; write the whole path"
    ):
        read(tmp_path, labels="labels.csv")


def test_a_missing_label_names_the_ways_out(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", **wave(50))
    with pytest.raises(
        ValueError, match=r"a\.csv: .* \['label'\] .*label=COLUMN .* label_from=folder .* labels=FILE"
    ):
        read(tmp_path)


def test_a_messy_folder_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = read(messy(tmp_path), missing=Missing.INTERPOLATE, group="subject")
    assert own.features == (Feature("ax", "g"), Feature("pressure", "hPa"))
    assert own.sample_rate == 50
    assert len({one.source for one in own.recordings}) == 24
    assert len(own.recordings) == 25, "one is cut at a long hole"
    for one in own.recordings:
        assert np.abs(one.x[:, 1] - 1013).max() < 2
        assert set(one.texts("label")) == {one.name.split("/")[1].split("_")[0]}
    assert any("notes.txt (text without columns)" in line for line in said(caplog))
