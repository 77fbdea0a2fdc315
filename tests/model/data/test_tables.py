"""A folder of CSV and Parquet files: loaded as it was written, or an error that names the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skiprnn import Feature, tasks
from skiprnn.data.tables import read_tables
from skiprnn.tasks import Source
from support.recordings import machines, write
from support.tasks import load


def test_columns_of_numbers_are_features_with_units(tmp_path: Path) -> None:
    tables = read_tables(machines(tmp_path), label="kind")
    assert tables.features == (Feature("ax", "g"), Feature("temperature"))
    assert tables.classes == ("fast", "slow")
    assert [recording.x.shape for recording in tables.recordings] == [(60, 2)] * 6
    assert tables.recordings[1].y.tolist() == [0] * 60
    only = read_tables(tmp_path, label="kind", columns=["ax [g]"])
    assert only.features == (Feature("ax", "g"),)


def test_a_label_may_change_within_a_recording(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(tmp_path, name, x=[0.0, 1.0, 2.0, 3.0], label=[7, 7, 8, 8])
    tables = read_tables(tmp_path, label="label")
    assert tables.classes == ("7", "8")
    assert tables.recordings[0].y.tolist() == [0, 0, 1, 1]


def test_a_group_is_held_out_whole(tmp_path: Path) -> None:
    for number in range(8):
        write(
            tmp_path,
            f"{number}.csv",
            x=np.full(5, float(number // 2)),
            person=f"p{number // 2}",
            label="abcd"[0],
        )
    tables = read_tables(tmp_path, label="label", group="person")
    train, test = tables.split(0.2, seed=0)
    people = [{float(recording.x[0, 0]) for recording in part} for part in (train, test)]
    assert not people[0] & people[1]
    assert (len(train), len(test)) == (6, 2)


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
        load("csv", tmp_path, label="kind")


def test_a_folder_without_recordings_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected files ending in \.csv or \.parquet"):
        load("csv", tmp_path, label="kind")
    with pytest.raises(FileNotFoundError, match="expected a folder with CSV"):
        load("csv", tmp_path / "missing")
    task = tasks.find("csv")
    with pytest.raises(FileNotFoundError, match="expected --data with CSV"):
        task.load(Source(None, task.recipe, 0, task.options))


def test_one_recording_cannot_be_trained_on_and_held_out(tmp_path: Path) -> None:
    write(tmp_path, "only.csv", x=[1.0, 2.0, 3.0], label=["a", "b", "a"])
    with pytest.raises(ValueError, match="at least two groups"):
        read_tables(tmp_path, label="label").split(0.2, seed=0)


def test_a_class_of_one_recording_alone_is_not_held_out_silently(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", x=[1.0, 2.0], label="a")
    write(tmp_path, "b.csv", x=[1.0, 2.0], label="b")
    with pytest.raises(ValueError, match="expected every class in the training part"):
        read_tables(tmp_path, label="label").split(0.2, seed=0)
