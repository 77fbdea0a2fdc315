"""The user's own recordings: windows, training, and what the network knows of them."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skiprnn import tasks
from skiprnn.training import Experiment, fit
from support.events import CLASSES, bumps
from support.recordings import machines, write
from support.tasks import load


def test_it_trains_and_its_network_knows_features_and_classes(tmp_path: Path) -> None:
    task = tasks.find("recordings")
    recipe = task.recipe.changed({"epochs": 1, "hidden_size": 8, "batch_size": 8})
    options = {"label": "kind", "sample_rate": 20.0}
    plan = Experiment(task, recipe, folder=machines(tmp_path / "data"), options=options)
    fit(plan, tmp_path / "run", progress_bar=False)
    config = (tmp_path / "run" / "config.json").read_text()
    assert '"unit": "g"' in config
    assert '"slow"' in config
    assert '"sample_rate": 20.0' in config


def test_windows_shrink_to_the_shortest_recording(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        data = load("recordings", machines(tmp_path, samples=40), label="kind")
    assert data.validation[0].x.shape[1:] == (40, 2)
    assert "windows of 40 samples" in caplog.text


def test_windows_join_recordings_and_labels_follow(tmp_path: Path) -> None:
    data = load("recordings", machines(tmp_path, samples=300), label="kind", joined=1.0)
    batch = next(data.epoch(np.random.default_rng(0)))
    assert batch.weights is not None
    changes = (batch.y.diff(dim=1) != 0).any(dim=1)
    assert changes.any()
    assert (batch.weights[:, 0] == 0).all()
    assert (batch.weights[:, -1] > 0).all()


def test_one_short_file_does_not_shorten_all_windows(tmp_path: Path) -> None:
    write(
        machines(tmp_path), "short.csv", **{"ax [g]": [1.0, 2.0], "temperature": [1.0, 2.0], "kind": "slow"}
    )
    assert load("recordings", tmp_path, label="kind").validation[0].x.shape[1:] == (60, 2)


def test_one_class_cannot_be_learned(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected two classes at least in 'site', got \['here'\]"):
        load("recordings", machines(tmp_path), label="site")


def test_a_class_that_no_held_out_window_holds_is_named(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, f"{number}.csv", x=np.sin(np.arange(47.0)), label=["b"] * 41 + ["a"] * 6)
    with pytest.raises(ValueError, match=r"got none of \['a'\]; try a smaller window"):
        load("recordings", tmp_path, window=16)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1, 0.0, 1.0], ("0", "1")),
        (["0", "1", "0.0", "1.0"], ("0", "1")),
        (["a", "b", " a", "b "], ("a", "b")),
        (["a", "b", b"a", b"b"], ("a", "b")),
    ],
)
def test_two_spellings_of_a_class_are_one_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, labels: list[Any], classes: tuple[str, ...]
) -> None:
    for number, label in enumerate(labels):
        suffix = "csv" if isinstance(label, str) else "parquet"
        write(tmp_path, f"{number}.{suffix}", x=[1.0, 5.0, 2.0], label=[label] * 3)
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        data = load("recordings", tmp_path)
    assert data.network["classes"] == classes
    if "0" in classes:
        assert "in the column 'label', '0.0' is '0', '1.0' is '1'" in caplog.text


def test_words_that_look_like_missing_values_are_classes(tmp_path: Path) -> None:
    for number in range(8):
        write(tmp_path, f"{number}.csv", x=[1.0, 5.0, 2.0], label=["None", "NA", "null", "nan"][number % 4])
    assert load("recordings", tmp_path).network["classes"] == ("NA", "None", "nan", "null")


def test_classes_that_differ_in_case_alone_are_two_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        write(tmp_path, f"{number}.csv", x=[1.0, 5.0, 2.0], label=["walk", "Walk"][number % 2])
    assert load("recordings", tmp_path).network["classes"] == ("Walk", "walk")
    assert "the column 'label' has names that differ in case alone" in caplog.text


def test_an_empty_label_is_named(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(tmp_path, name, x=[1.0, 7.0, 2.0], label=["a", None, "b"])
    with pytest.raises(ValueError, match=r"a\.csv: expected a value in row 2 of 'label', found none; miss"):
        load("recordings", tmp_path)
    assert load("recordings", tmp_path, missing_labels="ignore").network["task"] == "step_classification"


def test_one_recording_cannot_be_trained_on_and_held_out(tmp_path: Path) -> None:
    write(tmp_path, "only.csv", x=[1.0, 5.0, 2.0], label=["a", "b", "a"])
    with pytest.raises(ValueError, match="at least two groups"):
        load("recordings", tmp_path)


def test_a_class_of_recordings_that_were_left_out_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2):
        columns = {"ax [g]": [1.0, 2.0], "temperature": [1.0, 2.0], "kind": "brief"}
        write(machines(tmp_path), f"short{number}.csv", **columns)
    with (
        caplog.at_level(logging.INFO, logger="skiprnn"),
        pytest.raises(ValueError, match=r"got \['brief'\] in one of them at most"),
    ):
        load("recordings", tmp_path, label="kind")
    assert "short0.csv (2), short1.csv (2) (far shorter than 60 samples)" in caplog.text


def test_files_are_noted_with_their_part_and_digest(tmp_path: Path) -> None:
    recordings = load("recordings", machines(tmp_path), label="kind").recordings
    assert recordings.keys() == {f"{n}/recording.{'csv' if n < 3 else 'parquet'}" for n in range(6)}
    parts = [said.rsplit(" ", 1)[0] for said in recordings.values()]
    assert sorted(parts) == ["held out"] * 2 + ["trained on"] * 4


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"window": 1}, "window: expected 2 samples at least"),
        ({"held_out": 0.0}, r"held_out, joined: expected within \(0, 1\)"),
        ({"joined": 1.5}, "held_out, joined"),
        (
            {"target": "clas"},
            "target: expected one of auto, class, regression, multi-label, events, got 'clas'",
        ),
        ({"missing_labels": "drop"}, "missing_labels: expected one of error, ignore, got 'drop'"),
        ({"label": " , "}, "label, split: expected names"),
        ({"sample_rate": 0}, "sample_rate: expected Hz above 0"),
        ({"sample_rate": float("inf")}, "sample_rate: expected Hz above 0"),
    ],
)
def test_options_out_of_range_are_named_before_anything_is_read(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load("recordings", Path("missing"), **option)


def bumps_of(folder: Path, people: int = 6, *, column: bool = True) -> Path:
    """Recordings at 10 Hz with an event of a second every five to fifteen: in a column, or in a side table."""
    rows = []
    for person in range(people):
        stream = bumps(person)
        labels = np.full(len(stream.x), "none", object)
        for label, start, end in zip(stream.labels, stream.starts, stream.ends, strict=True):
            labels[start:end] = CLASSES[label]
            rows.append(
                {"recording": person, "start": start / 10, "end": (end - 1) / 10, "kind": CLASSES[label]}
            )
        beside = {"kind": labels} if column else {}
        write(folder, f"{person}.csv", x=stream.x[:, 0], **beside)
    if not column:
        pd.DataFrame(rows).to_csv(folder / "events.csv", index=False)
    return folder


EVENTS: dict[str, Any] = {
    "target": "events",
    "label": "kind",
    "sample_rate": 10.0,
    "held_out": 0.3,
    "window": 200,
}


def test_events_of_a_column_and_of_a_side_table_are_the_same(tmp_path: Path) -> None:
    of_column = load("recordings", bumps_of(tmp_path / "column"), **EVENTS)
    folder = bumps_of(tmp_path / "side", column=False)
    of_table = load("recordings", folder, **EVENTS, events="events.csv")
    for data in (of_column, of_table):
        assert data.events is not None
        assert data.network["classes"] == ("none", "down", "up")
        assert data.network["events"].refractory == 30
        assert len(data.events.validation) == len(data.events.test) == 1
    assert of_column.events is not None
    assert of_table.events is not None
    one, other = of_column.events.test[0], of_table.events.test[0]
    assert one.name == other.name
    assert one.starts.tolist() == other.starts.tolist()
    assert one.ends.tolist() == other.ends.tolist()
    assert one.labels.tolist() == other.labels.tolist()
    assert "events.csv" in of_table.recordings


def test_events_of_ones_own_are_learned(tmp_path: Path) -> None:
    task = tasks.find("recordings")
    recipe = task.recipe.changed({"epochs": 4, "hidden_size": 16, "batch_size": 16, "target_rate": 0.5})
    experiment = Experiment(task, recipe, folder=bumps_of(tmp_path / "data"), options=EVENTS)
    results = fit(experiment, tmp_path / "run", progress_bar=False)
    assert results["metric"] == "f1"
    assert results["f1"] > 0.8
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["parts"]["held out"]["recordings"] == 1
    assert [row["name"] for row in report["outputs"]] == ["down", "up"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"held_out": 0.1},
            "expected two groups of held-out recordings, one to choose the alarm threshold by",
        ),
        ({"delay": -1.0}, "delay: expected seconds, 0 or more, got -1.0"),
        ({"events": "no.csv"}, "events: expected a side table at .*, found none"),
        ({"background": "rest"}, "expected samples of the background 'rest' in 'kind'"),
    ],
)
def test_events_that_do_not_fit_are_named(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load("recordings", bumps_of(tmp_path), **{**EVENTS, **options})
