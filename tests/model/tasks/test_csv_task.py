"""The user's own folder: read as it is written, refused with the file's name where it is not."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skiprnn import Feature, tasks
from skiprnn.data.tables import read_tables
from skiprnn.tasks import Data, Source
from skiprnn.training import Plan, fit


def write(folder: Path, name: str, **columns: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(columns)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)


def machines(folder: Path, samples: int = 60) -> Path:
    """Six recordings of a fast and a slow machine; half of them CSV, half Parquet."""
    t = np.arange(samples)
    for number in range(6):
        kind, speed = ("fast", 0.9) if number % 2 else ("slow", 0.1)
        suffix = "csv" if number < 3 else "parquet"
        columns = {
            "ax [g]": np.sin(speed * t + number),
            "site": "here",
            "temperature": 20 + 0.01 * t,
            "kind": kind,
        }
        write(folder, f"{number}/recording.{suffix}", **columns)
    return folder


def load(folder: Path, **options: Any) -> Data:
    task = tasks.find("csv")
    return task.load(Source(folder, task.recipe, 0, {**task.options, "label": "kind", **options}))


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
    train, judge = tables.split(0.2, seed=0)
    people = [{float(recording.x[0, 0]) for recording in part} for part in (train, judge)]
    assert not people[0] & people[1]
    assert (len(train), len(judge)) == (6, 2)


def test_it_trains_and_its_network_knows_features_and_classes(tmp_path: Path) -> None:
    task = tasks.find("csv")
    recipe = task.recipe.changed({"epochs": 1, "hidden_size": 8, "batch_size": 8})
    options = {"label": "kind", "sample_rate": 20.0}
    plan = Plan(task, recipe, folder=machines(tmp_path / "data"), options=options)
    fit(plan, tmp_path / "run", progress_bar=False)
    config = (tmp_path / "run" / "config.json").read_text()
    assert '"unit": "g"' in config
    assert '"slow"' in config
    assert '"sample_rate": 20.0' in config


def test_windows_shrink_to_the_shortest_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        data = load(machines(tmp_path, samples=40))
    assert data.validation[0].x.shape[1:] == (40, 2)
    assert "windows of 40 samples" in caplog.text


def test_windows_join_recordings_and_labels_follow(tmp_path: Path) -> None:
    data = load(machines(tmp_path, samples=300), joined=1.0)
    batch = next(data.epoch(np.random.default_rng(0)))
    assert batch.weights is not None
    changes = (batch.y.diff(dim=1) != 0).any(dim=1)
    assert changes.any()
    assert (batch.weights[:, 0] == 0).all()
    assert (batch.weights[:, -1] > 0).all()


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
        load(tmp_path)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected files ending in \.csv or \.parquet"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected a folder with CSV"):
        load(tmp_path / "missing")
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
