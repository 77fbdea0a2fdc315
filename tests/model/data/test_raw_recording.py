"""Files → recordings as they were measured, with what folder, name and side table say of them."""

from pathlib import Path
from typing import Any

import pytest

from skiprnn.data.layout import Layout
from skiprnn.data.raw_recording import RawRecording, raw_recordings


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def read(data: Path, **layout: Any) -> dict[str, RawRecording]:
    return {raw.name: raw for raw in raw_recordings(data, Layout(**layout))}


def test_a_file_is_a_recording_named_by_its_path(tmp_path: Path) -> None:
    found = read(write(tmp_path, ann__1="x\n1\n2\n", ben__1="x\n3\n4\n"))
    assert list(found) == ["ann/1.csv", "ben/1.csv"]
    one = found["ann/1.csv"]
    assert (one.file, one.side_names) == ("ann/1.csv", ["1.csv", "ann/1.csv", "1", "ann/1"])
    assert one.has("x")
    assert not one.has("label")


def test_a_table_is_divided_by_its_recording_column_though_rows_are_mixed(tmp_path: Path) -> None:
    found = read(write(tmp_path, all="x,run\n1,a\n2,b\n3,a\n4,b\n5,once\n"), recording="run")
    assert list(found) == ["all.csv:a", "all.csv:b"], "a single row is passed over"
    assert found["all.csv:a"].table.floats("x").tolist() == [1, 3]
    assert [found["all.csv:b"].table.row(index) for index in (0, 1)] == [2, 4]
    assert (found["all.csv:b"].file, found["all.csv:b"].side_names) == ("all.csv", ["b", "all.csv:b"])


def test_folder_and_name_give_values_of_the_whole_recording(tmp_path: Path) -> None:
    found = read(write(tmp_path, ann__walk_1="x\n1\n2\n"), label_from="name", group_from="folder")
    one = found["ann/walk_1.csv"]
    assert (one.texts("label"), one.texts("group")) == (["walk"], ["ann"])


def test_a_side_table_gives_values_and_is_no_recording(tmp_path: Path) -> None:
    data = write(tmp_path, a="x\n1\n2\n", b="x\n3\n4\n", labels="file,label\na,run\nb,walk\n")
    found = read(data, labels="labels.csv")
    assert {name: raw.texts("label") for name, raw in found.items()} == {"a.csv": ["run"], "b.csv": ["walk"]}
    assert found["a.csv"].paths == (tmp_path / "a.csv", tmp_path / "labels.csv")


def test_a_side_table_that_is_not_there_is_named_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"labels: expected a side table at .*none\.csv"):
        read(write(tmp_path, a="x\n1\n2\n"), labels="none.csv")
