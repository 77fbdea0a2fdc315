"""`skiprnn export --recording`: real samples beside the bundle, with the truth where it is known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from skiprnn import Feature
from skiprnn_cli.recording import read, write
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
    expected = {True: ["wet", "hot;wet", "none", ""], False: ["0;1", "1;1", "0;0", ""]}
    for several, labels in expected.items():
        run = tmp_path / str(several)
        small_network(features=features, task="step_classification", multi_label=several).save(run)
        (run / "training.json").write_text(json.dumps({"options": {"label": "hot, wet"}}))
        assert [row[3] for row in rows(read(source, run))][1:] == labels


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
