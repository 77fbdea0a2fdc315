"""`skiprnn export --recording`: real samples beside the bundle, with the truth where it is known."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from skiprnn import Feature
from skiprnn.data.files import find_recordings
from skiprnn.data.labels_of import value_of
from skiprnn.data.layout import OPTIONS, Layout
from skiprnn.data.own_recordings import read_own_recordings
from skiprnn.events import EventRule
from skiprnn_cli.recording import read, write
from support.messy import messy
from support.networks import small_network


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    small_network(
        features=(Feature("ax", "g"), Feature("ay", "g"), Feature("p")), classes=("walk", "run")
    ).save(folder)
    return folder


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


def test_channels_are_found_by_name_and_labels_are_kept_where_there_are_any(
    run: Path, tmp_path: Path
) -> None:
    source = tmp_path / "a.csv"
    source.write_text("t,p,ay,label,ax\n0,1,2,walk,3\n1,4,5.25,,6e-9\n")
    assert rows(read(source, run)) == [
        ["ax [g]", "ay [g]", "p", "label"],
        ["3.0", "2.0", "1.0", "walk"],
        ["6e-09", "5.25", "4.0", ""],
    ]


def test_the_column_of_labels_is_that_of_the_training(run: Path, tmp_path: Path) -> None:
    (run / "training.json").write_text(json.dumps({"options": {"label": "what exactly"}}))
    source = tmp_path / "a.csv"
    source.write_text('ax,ay,p,what exactly\n1,2,3,"a, b"\n1,2,3,7\n')
    assert [row[3] for row in rows(read(source, run))] == ["label", "a, b", "7"]


def test_several_columns_of_labels_are_one(tmp_path: Path) -> None:
    source, features = tmp_path / "a.csv", (Feature("ax"), Feature("ay"), Feature("p"))
    source.write_text("ax,ay,p,hot,wet\n1,2,3,0,1\n1,2,3,1,1\n1,2,3,0,0\n1,2,3,,1\n")
    expected = {"classification": ["wet", "hot;wet", "none", ""], "regression": ["0;1", "1;1", "0;0", ""]}
    for task, labels in expected.items():
        run, several = tmp_path / task, task == "classification"
        small_network(features=features, task=f"step_{task}", multi_label=several).save(run)
        (run / "training.json").write_text(json.dumps({"options": {"label": "hot, wet"}}))
        assert [row[3] for row in rows(read(source, run))][1:] == labels


CELLS = {
    "true/false": ("label=hot,wet", ["ax,hot,wet", "1,true,FALSE", "2,0,1.0", "3,,1"], ["hot", "wet", ""]),
    "listed": ("label=is", ["ax,is", "1,hot|wet", "2,", "3,wet; hot"], ["hot;wet", "none", "wet;hot"]),
    "decimal commas": (
        "label=hot,wet",
        ["ax;hot;wet", "1,5;1,0;0", "2,25;0;1", "3;0;0"],
        ["hot", "wet", "none"],
    ),
}


@pytest.mark.parametrize("case", sorted(CELLS))
def test_labels_are_decoded_as_training_decodes_them(tmp_path: Path, case: str) -> None:
    option, lines, expected = CELLS[case]
    network = small_network(input_size=1, features=(Feature("ax"),), classes=("hot", "wet"), multi_label=True)
    network.save(tmp_path / "run")
    as_trained(tmp_path / "run", option)
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert [row[1] for row in rows(read(tmp_path / "a.csv", tmp_path / "run"))][1:] == expected


def test_a_label_that_is_none_is_named_with_its_row(tmp_path: Path) -> None:
    network = small_network(input_size=1, features=(Feature("ax"),), classes=("hot", "wet"), multi_label=True)
    network.save(tmp_path / "run")
    as_trained(tmp_path / "run", "label=hot,wet")
    (tmp_path / "a.csv").write_text("ax,hot,wet\n1,0,1\n2,0,yes\n")
    with pytest.raises(ValueError, match=r"a\.csv: expected 0 or 1 in row 2 of 'wet', got 'yes'"):
        read(tmp_path / "a.csv", tmp_path / "run")


def as_trained(run: Path, *options: str, recordings: Iterable[str] = ()) -> None:
    """What training writes of a run's data."""
    given = dict(option.split("=", 1) for option in options)
    (run / "training.json").write_text(json.dumps({"task": "recordings", "options": given}))
    parts = {name: f"{'held out' if name.endswith(':1') else 'trained on'} 0" for name in recordings}
    (run / "recordings.json").write_text(json.dumps(parts))


WAYS = {
    "column": ("label=label",),
    "name": ("label=what", "label_from=name"),
    "side table": ("label=what", "labels=side.csv"),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_every_file_of_a_messy_folder_is_read_as_training_reads_it(tmp_path: Path, way: str) -> None:
    """Rates, dialects, gaps, packed files, times and labels from wherever they are."""
    data, options = messy(tmp_path / "data", 12), {**OPTIONS, "missing": "interpolate"}
    options |= dict(option.split("=", 1) for option in WAYS[way])
    names = [path.relative_to(data).as_posix() for path in find_recordings(data)]
    side = [f"{name},{value_of(name, 'name')}" for name in names]
    if way == "side table":
        (data / "side.csv").write_text("\n".join(["recording,what", *side]))
    own = read_own_recordings(data, Layout.of(options, ("label",) if way == "column" else ("what",)))
    features = {"input_size": 2, "features": own.features, "sample_rate": own.sample_rate}
    small_network(**features, classes=("rest", "walk")).save(tmp_path / "run")
    as_trained(
        tmp_path / "run", "missing=interpolate", *WAYS[way], recordings=[one.name for one in own.recordings]
    )
    for one in {one.source: one for one in reversed(own.recordings)}.values():
        header, *written = rows(read(one.paths[0], tmp_path / "run"))
        assert header == ["ax [g]", "pressure [hPa]", "label"]
        np.testing.assert_array_equal(np.array([row[:2] for row in written], np.float32), one.x)
        assert {row[2] for row in written} == {value_of(one.source, "name")}


def test_the_outermost_folder_is_that_of_the_runs_data(run: Path, tmp_path: Path) -> None:
    for name in ("walk/day/a.csv", "run/day/a.csv", "run/day/later.csv"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("ax,ay,p\n1,2,3\n1,2,3\n")
    as_trained(run, "label=what", "label_from=top_folder", recordings=["walk/day/a.csv", "run/day/a.csv#1"])
    for name in ("walk/day/a.csv", "run/day/later.csv"):
        found = rows(read(tmp_path / "data" / name, run))
        assert {row[3] for row in found[1:]} == {name.partition("/")[0]}


def test_of_many_recordings_in_one_file_one_that_was_held_out_is_taken(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "all.csv"
    source.write_text("ax,ay,p,trial,label\n1,2,3,0,run\n1,2,3,0,run\n4,5,6,1,walk\n7,8,9,1,walk\n")
    as_trained(run, "recording=trial", recordings=["all.csv:0", "all.csv:1"])
    assert rows(read(source, run))[1:] == [["4.0", "5.0", "6.0", "walk"], ["7.0", "8.0", "9.0", "walk"]]
    assert "all.csv: holds 2 recordings, of which all.csv:1 is taken" in capsys.readouterr().err


def test_samples_are_at_the_rate_of_the_network_and_in_the_order_of_their_times(tmp_path: Path) -> None:
    small_network(input_size=1, features=(Feature("ax"),), sample_rate=50.0).save(tmp_path / "run")
    as_trained(tmp_path / "run", "time=when", "time_unit=ms")
    (tmp_path / "a.csv").write_text("when,ax\n0,0\n80,2\n40,1\n")  # 25 Hz
    found = rows(read(tmp_path / "a.csv", tmp_path / "run"))
    assert found == [["ax"], ["0.0"], ["0.5"], ["1.0"], ["1.5"], ["2.0"]]


def test_events_of_a_side_table_are_the_truth_of_their_samples(tmp_path: Path) -> None:
    rule = EventRule(threshold=0.5, refractory=1, background="none")
    network = small_network(
        input_size=1,
        features=(Feature("ax"),),
        classes=("none", "fall"),
        task="step_classification",
        events=rule,
    )
    network.save(tmp_path / "run")
    as_trained(tmp_path / "run", "events=events.csv", "label=kind", recordings=["a.csv", "b.csv"])
    (tmp_path / "a.csv").write_text("ax\n" + "1\n2\n" * 3)
    (tmp_path / "events.csv").write_text("recording,start,end,kind\nb.csv,0,0,fall\na.csv,2,3,fall\n")
    found = rows(read(tmp_path / "a.csv", tmp_path / "run"))
    assert [row[1] for row in found[1:]] == ["none", "none", "fall", "fall", "none", "none"]


def test_a_folder_named_like_a_class_is_the_label_of_what_is_in_it(run: Path, tmp_path: Path) -> None:
    for name, expected in (("walk", ["label", "walk", "walk"]), ("monday", [])):
        (tmp_path / name).mkdir()
        source = tmp_path / name / "a.csv"
        source.write_text("ax,ay,p\n1,2,3\n1,2,3\n")
        assert [row[3] for row in rows(read(source, run)) if len(row) > 3] == expected


def test_it_takes_as_many_samples_as_a_server_holds(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "long.csv"
    samples = np.random.default_rng(0).normal(size=(60_000, 3))
    np.savetxt(source, samples, delimiter=",", header="ax,ay,p", comments="")
    text = read(source, run)
    assert (1 << 20) - 64 < len(text.encode()) <= 1 << 20
    taken = np.loadtxt(text.splitlines(), delimiter=",", skiprows=1, dtype=np.float32)
    np.testing.assert_array_equal(taken, samples[: len(taken)].astype(np.float32))


def test_a_file_of_other_channels_is_rejected(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("ax,ay\n1,2\n1,2\n")
    with pytest.raises(ValueError, match=r"a\.csv: .*'p'"):
        read(source, run)


def test_it_lies_beside_the_bundle(tmp_path: Path) -> None:
    path = write("ax\n1\n", tmp_path / "models" / "watch.onnx")
    assert path == tmp_path / "models" / "watch.recording.csv"
    assert path.read_text() == "ax\n1\n"
    assert [file.name for file in path.parent.iterdir()] == ["watch.recording.csv"]
