"""Tasks that read the user's own copy: tiny made folders in the published formats, trained on for an epoch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skiprnn import tasks
from skiprnn.tasks import Data, Source
from skiprnn.tasks.charades import evenly_spaced, labels
from skiprnn.tasks.imdb import read_vectors
from skiprnn.training import Plan, fit


def load(name: str, folder: Path | None, **options: Any) -> Data:
    task = tasks.find(name)
    return task.load(Source(folder, task.paper, 0, {**task.options, **options}))


def train(name: str, folder: Path, out: Path, **options: Any) -> dict[str, Any]:
    task = tasks.find(name)
    recipe = task.paper.changed({"epochs": 1, "hidden_size": 4, "batch_size": 4})
    return fit(Plan(task, recipe, folder=folder, options=options), out, progress_bar=False)


def reviews(folder: Path) -> Path:
    for part in ("train", "test"):
        for kind, word in (("pos", "Wonderful"), ("neg", "Dreadful")):
            (folder / part / kind).mkdir(parents=True)
            for number in range(10):
                text = f"{word}!<br /><br />I saw it{' again' * number}."
                (folder / part / kind / f"{number}_7.txt").write_text(text)
    return folder


def test_imdb_reads_words_of_reviews_as_vectors(tmp_path: Path) -> None:
    data = load("imdb", reviews(tmp_path), length=6)
    batch = data.test[0]
    assert batch.x.shape == (20, 6, 300)
    assert batch.lengths is not None
    assert batch.lengths.min() == 4  # wonderful i saw it
    assert batch.y.tolist() == [0] * 10 + [1] * 10
    assert torch.equal(batch.x[0, 1:4], batch.x[-1, 1:4])  # the same words
    assert not torch.equal(batch.x[0, 0], batch.x[-1, 0])


def test_imdb_takes_the_users_vectors(tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("3 2\nwonderful 1 2\ndreadful -1 -2\nunused 5 5\n")
    batch = load("imdb", reviews(tmp_path / "aclImdb"), vectors=str(vectors)).test[0]
    assert batch.x.shape[2] == 2
    assert batch.x[0, 0].tolist() == [-1, -2]
    assert batch.x[0, 1].tolist() == [0, 0]  # a word without a vector gets the mean
    assert set(read_vectors(["2 300", "a 1 2"], {"a", "2"})) == {"a"}
    vectors.write_text("unused 5 5\n")
    with pytest.raises(ValueError, match="none of the reviews' words"):
        load("imdb", tmp_path / "aclImdb", vectors=str(vectors))


def test_imdb_trains_with_the_papers_settings(tmp_path: Path) -> None:
    figures = train("imdb", reviews(tmp_path / "aclImdb"), tmp_path / "run")
    assert 0 <= figures["accuracy"] <= 1
    assert (tasks.find("imdb").paper.hidden_size, tasks.find("imdb").paper.dropout) == (128, 0.2)


def videos(folder: Path, frames: int = 7) -> Path:
    names = [
        f"{action}/v_{action}_g{number:02d}" for action in ("Archery", "Bowling") for number in range(10)
    ]
    rng = np.random.default_rng(0)
    for name in names:
        path = folder / "features" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.standard_normal((frames, 5)))
    train, test = names[::2], names[1::2]
    (folder / "trainlist01.txt").write_text("".join(f"{name}.avi 1\n" for name in train))
    (folder / "testlist01.txt").write_text("".join(f"{name}.avi\n" for name in test))
    return folder


def test_ucf101_reads_features_by_the_published_lists(tmp_path: Path) -> None:
    data = load("ucf101", videos(tmp_path), frames=6)
    batch = data.test[0]
    assert batch.x.shape == (10, 6, 5)
    assert batch.y.tolist() == [0] * 5 + [1] * 5
    assert data.network["classes"] == ("Archery", "Bowling")
    np.testing.assert_allclose(
        batch.x[0], np.load(tmp_path / "features/Archery/v_Archery_g01.npy")[:6], rtol=1e-6
    )


def test_ucf101_trains_two_layers_under_one_gate(tmp_path: Path) -> None:
    figures = train("ucf101", videos(tmp_path / "ucf"), tmp_path / "run")
    assert figures["samples"] == 7
    assert tasks.find("ucf101").paper.num_layers == 2


def test_a_video_without_features_is_named(tmp_path: Path) -> None:
    (videos(tmp_path) / "features/Archery/v_Archery_g00.npy").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"v_Archery_g00\.npy: expected the features .*\(1 are missing\)"
    ):
        load("ucf101", tmp_path)
    (tmp_path / "trainlist01.txt").write_text("no-folder.avi\n")
    with pytest.raises(ValueError, match=r"expected CLASS/VIDEO\.avi"):
        load("ucf101", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"trainlist03\.txt: expected the list"):
        load("ucf101", tmp_path, split=3)


def charades(folder: Path, *, text: bool = False) -> Path:
    rng = np.random.default_rng(0)
    (folder / "features").mkdir(parents=True)
    for part, count in (("train", 10), ("test", 3)):
        rows = []
        for number in range(count):
            name, frames = (
                f"{part[:2].upper()}{number:03d}",
                rng.standard_normal((12 + number, 4)).astype("f4"),
            )
            rows.append(f'{name},30.1,"c000 0.00 1.00;c156 1.50 2.50"')
            if text:
                (folder / "features" / name).mkdir()
                for frame, values in enumerate(frames):
                    np.savetxt(folder / "features" / name / f"{name}-{frame:06d}.txt", values)
            else:
                np.save(folder / "features" / f"{name}.npy", frames)
        (folder / f"Charades_v1_{part}.csv").write_text("id,length,actions\n" + "\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("text", [True, False])
def test_charades_reads_features_and_actions_of_every_frame(tmp_path: Path, text: bool) -> None:
    data = load("charades", charades(tmp_path, text=text))
    batch = data.test[0]
    assert batch.x.shape == (3, 14, 4)
    assert batch.y.shape == (3, 14, 157)
    assert batch.y[0, :7, 0].tolist() == [1] * 7  # 0 to 1 s at 6 Hz
    assert batch.y[0, 7:, 0].sum() == 0
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [12, 13, 14]


def test_charades_trains_on_steps_and_reports_mean_average_precision(tmp_path: Path) -> None:
    figures = train("charades", charades(tmp_path / "charades"), tmp_path / "run")
    assert 0 < figures["mean_average_precision"] <= 1


def test_frames_that_are_judged_are_evenly_spaced_and_real() -> None:
    weights = evenly_spaced(torch.tensor([400, 30]), 500)
    assert weights[0].sum() == 100
    assert weights[0, 0] == weights[0, 399] == 1
    assert weights[1, :30].all()  # a video of fewer frames is judged on all of them
    assert weights[1, 30:].sum() == 0


def test_actions_that_cannot_be_read_are_refused() -> None:
    assert labels("", 3).sum() == 0
    for wrong in ("c001", "c999 0 1", "walk 0 1", "c001 now then"):
        with pytest.raises(ValueError, match="actions: expected"):
            labels(wrong, 3)


@pytest.mark.parametrize("name", ["imdb", "ucf101", "charades"])
def test_a_missing_folder_says_what_it_should_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected --data with"):
        load(name, None)
    with pytest.raises(FileNotFoundError, match="expected"):
        load(name, tmp_path)
