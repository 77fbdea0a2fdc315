"""Which columns of tables are channels, and what a folder of tables must be like."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skiprnn import Feature, tasks
from skiprnn.data.layout import Layout
from skiprnn.data.own_recordings import OwnRecordings, read_own_recordings
from skiprnn.tasks import Source
from support.recordings import machines, write
from support.tasks import load


def read_tables(folder: Path, layout: Layout | None = None) -> OwnRecordings:
    return read_own_recordings(folder, layout or Layout())


def test_columns_of_numbers_are_features_with_units(tmp_path: Path) -> None:
    tables = read_tables(machines(tmp_path), Layout(targets=("kind",)))
    assert tables.features == (Feature("ax", "g"), Feature("temperature"))
    assert [recording.x.shape for recording in tables.recordings] == [(60, 2)] * 6
    only = read_tables(tmp_path, Layout(targets=("kind",), columns=("ax [g]",)))
    assert only.features == (Feature("ax", "g"),)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [1.0, 2.0]}, "found none named .*kind"),
        ({"ax [g]": [1.0, np.nan], "temperature": [1.0, 2.0], "kind": ["slow", "slow"]}, "row 2 of 'ax .g.'"),
        ({"ax [g]": [1.0, np.inf], "temperature": [1.0, 2.0], "kind": ["slow", "slow"]}, "expected finite"),
        (
            {"ax [g]": ["1", "fast"], "temperature": [1.0, 2.0], "kind": ["slow", "slow"]},
            "expected numbers in",
        ),
        ({"ax [g]": [1.0], "temperature": [1.0], "kind": ["slow"]}, "at least 2 samples, got 1"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    write(machines(tmp_path), "z/broken.csv", **columns)
    with pytest.raises(ValueError, match=rf"broken\.csv: .*{message}"):
        load("recordings", tmp_path, label="kind")


def test_a_folder_without_recordings_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected files ending in \.csv, .*, found none"):
        load("recordings", tmp_path, label="kind")
    with pytest.raises(FileNotFoundError, match="expected a folder with CSV"):
        load("recordings", tmp_path / "missing")
    task = tasks.find("recordings")
    with pytest.raises(FileNotFoundError, match="expected --data with CSV"):
        task.load(Source(None, task.recipe, 0, task.options))


def taken(folder: Path, caplog: pytest.LogCaptureFixture, **options: Any) -> tuple[list[str], str]:
    """Names of the channels, and what was said about them."""
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        features = read_tables(folder, Layout(**options)).features
    return [str(feature) for feature in features], caplog.text


def write_each(folder: Path, suffix: str = "csv", **columns: Any) -> Path:
    """Two files of these columns, with the labels a and b."""
    for name in "ab":
        write(folder, f"{name}.{suffix}", **columns, label=name)
    return folder


@pytest.mark.parametrize("number", [0, 1])
def test_a_word_among_numbers_is_an_error_in_whatever_file(tmp_path: Path, number: int) -> None:
    for index in range(2):
        y = ["1", "ERR", "3"] if index == number else ["1", "2", "3"]
        write(tmp_path, f"{index}.csv", x=[1.0, 2.0, 3.0], y=y, label="ab"[index])
    with pytest.raises(ValueError, match=rf"{number}\.csv: expected numbers in 'y', got 'ERR' in row 2; "):
        read_tables(tmp_path)
    assert read_tables(tmp_path, Layout(columns=("x",))).features == (Feature("x"),)


def test_a_column_of_words_in_one_file_and_of_numbers_in_another_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", x=[1.0, 2.0], y=["on", "off"], label="a")
    write(tmp_path, "b.csv", x=[1.0, 2.0], y=[1, 0], label="b")
    with pytest.raises(ValueError, match=r"a\.csv: expected numbers in 'y', got 'on' in row 1"):
        read_tables(tmp_path)


def test_what_is_no_channel_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    columns = {
        "Unnamed: 0": [0, 1, 2],
        "x": [0.5, 0.1, 0.2],
        "time": 1.7e9 + np.arange(3),
        "stamp": 1_700_000_000_000 + np.arange(3),
        "t": [0.0, 0.02, 0.04],
        "took": pd.to_timedelta(np.arange(3), unit="s"),
        "site": ["here"] * 3,
        "note": [None] * 3,
        "temperature": [20.0, 20.1, 20.2],
    }
    channels, said = taken(write_each(tmp_path, "parquet", **columns), caplog)
    assert channels == ["x", "temperature"]
    assert "channels     x, temperature" in said
    for words in (
        "Unnamed: 0 (without a name)",
        "time (the time)",
        "stamp (a time)",
        "t (a time)",
        "took (a duration)",
        "site (words)",
        "note (empty)",
    ):
        assert words in said


def test_an_index_that_a_program_wrote_is_no_channel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "ab":
        frame = pd.DataFrame({"x": [1.0, 5.0, 2.0], "label": name})
        frame.to_csv(tmp_path / f"{name}.csv")
    assert taken(tmp_path, caplog)[0] == ["x"]


def test_a_column_of_such_a_name_that_falls_is_a_channel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert taken(write_each(tmp_path, t=[1.0, 0.0, 2.0]), caplog)[0] == ["t"]


def test_a_clock_that_is_asked_for_is_a_channel(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert taken(write_each(tmp_path, x=[1.0, 3.0], t=[0.0, 1.0]), caplog, columns=["t", "x"])[0] == [
        "t",
        "x",
    ]


def test_a_column_that_only_another_file_has_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a.csv", x=[1.0, 5.0], label="a")
    write(tmp_path, "b.csv", y=[7.0, 7.0], x=[1.0, 5.0], label="b")
    channels, said = taken(tmp_path, caplog)
    assert channels == ["x"]
    assert "y (not in a.csv)" in said


def test_files_of_another_order_are_read_by_name(tmp_path: Path) -> None:
    for number, header in enumerate(("ax [g],ay [g],label", "ay [g],ax [g],label", " ay, ax,label")):
        rows = "1,2,a\n3,4,a\n" if number == 0 else "2,1,b\n4,3,b\n"
        (tmp_path / f"{number}.csv").write_text(f"{header}\n{rows}")
    for recording in read_tables(tmp_path).recordings:
        assert recording.x.tolist() == [[1, 2], [3, 4]]


def test_channels_may_be_asked_for_without_their_units(tmp_path: Path) -> None:
    tables = read_tables(
        machines(tmp_path),
        Layout(
            targets=("kind",),
            columns=(
                "temperature",
                "ax",
            ),
        ),
    )
    assert tables.features == (Feature("temperature"), Feature("ax", "g"))


def test_a_file_that_lacks_a_channel_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", x=[1.0, 5.0], y=[2.0, 1.0], label="a")
    write(tmp_path, "b.csv", x=[1.0, 5.0], t=[7.0, 7.0], label="b")
    with pytest.raises(ValueError, match=r"b\.csv: .*\['y'\] are missing, \['t', 'label'\] are none of them"):
        read_tables(tmp_path)


def test_groups_that_are_equal_numbers_are_one(tmp_path: Path) -> None:
    for number, group in enumerate(("1", "1.0", "2")):
        write(tmp_path, f"{number}.csv", x=[1.0, 2.0], who=group, label="a")
    assert [one.group for one in read_tables(tmp_path, Layout(group="who", columns=("x",))).recordings] == [
        "1",
        "1",
        "2",
    ]


def test_a_file_with_rows_of_two_groups_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", x=[1.0, 5.0, 2.0], who=["p", "p", "q"], label="a")
    with pytest.raises(
        ValueError, match=r"a\.csv: expected rows of one group, got 'p' in row 1 and 'q' in row 3"
    ):
        read_tables(tmp_path, Layout(group="who"))
